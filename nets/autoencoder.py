"""Autoencoders: compress a sample to a code of few numbers, and reconstruct it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from nets.activations import ActivationName
from nets.cnn import Dense, output_layer
from nets.config import config
from nets.errors import ConfigError
from nets.idle import IdleSetting, without_hidden, without_maxout
from nets.spec import TensorSpec


@config
class AutoencoderConfig:
    """Dense encoder and decoder, mirror images of each other (Hinton & Salakhutdinov 2006)."""

    reconstructs: ClassVar[bool] = True
    kind: Literal["autoencoder"] = "autoencoder"
    code_size: int = Field(default=16, ge=1)
    """Numbers in the code of a sample."""
    hidden: tuple[int, ...] = (128,)
    """Widths of the encoder's hidden layers; the decoder has them in reverse."""
    activation: ActivationName = "relu"
    """sigmoid, tanh, relu, leaky_relu, elu, maxout, gelu or silu, after every hidden layer."""
    maxout_pieces: int = Field(default=2, ge=2)
    """Linear pieces of maxout."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of hidden values set to zero in training."""

    def idle(self, kind: str | None) -> Iterator[IdleSetting]:
        """Settings that change nothing beside the others, for rows of this kind."""
        if not self.hidden:
            yield from without_hidden("net.hidden")
        yield from without_maxout(self.activation)


class Autoencoder(nn.Module):
    """(B, *shape) -> (B, *shape): the prepared sample, reconstructed from its code.

    Raises:
        ConfigError: the samples are token ids, which have no values to reconstruct.
    """

    def __init__(self, net: AutoencoderConfig, spec: TensorSpec, num_outputs: int) -> None:
        super().__init__()
        if spec.kind == "tokens":
            raise ConfigError(
                "an autoencoder needs measured values, got token ids. Use net.kind rnn."
            )
        self.shape = spec.shape
        features = math.prod(spec.shape)
        self.flatten = nn.Flatten()
        self.encoder = _stack(net, (features, *net.hidden), net.code_size)
        self.decoder = _stack(net, (net.code_size, *reversed(net.hidden)), features)

    def encode(self, x: Tensor) -> Tensor:
        """(B, *shape) -> (B, code_size)."""
        code: Tensor = self.encoder(self.flatten(x))
        return code

    def decode(self, code: Tensor) -> Tensor:
        """(B, code_size) -> (B, *shape)."""
        values: Tensor = self.decoder(code)
        return values.unflatten(1, self.shape)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        return self.decode(self.encode(x))


def _stack(net: AutoencoderConfig, widths: tuple[int, ...], outputs: int) -> nn.Sequential:
    hidden = [
        Dense(a, b, net.activation, net.maxout_pieces, net.dropout)
        for a, b in itertools.pairwise(widths)
    ]
    return nn.Sequential(*hidden, output_layer(widths[-1], outputs))
