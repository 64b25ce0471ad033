"""Convolutions of several widths side by side, over token ids or series of varying length.

With one layer over words and the largest value over time it is the net of Kim 2014, "Convolutional
Neural Networks for Sentence Classification"; with several layers, batch norm and the mean over time it
has the form of InceptionTime (Ismail Fawaz et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from nets import activations
from nets.activations import ActivationName
from nets.cnn import dense_layers, make_embedding, output_layer
from nets.config import config
from nets.dropout import Dropout
from nets.errors import ConfigError
from nets.idle import IdleSetting, without_maxout, without_tokens
from nets.rnn import summarize, valid_steps
from nets.spec import TensorSpec
from nets.wide import check_relative, relative_to_last
from nets.wide import make as make_wide


@config
class SequenceCNNConfig:
    """Embedding (token ids only), layers of parallel convolutions, a summary over time, dense layers."""

    sound_as: ClassVar[str] = "series"
    reconstructs: ClassVar[bool] = False
    kind: Literal["sequence_cnn"] = "sequence_cnn"
    channels: tuple[int, ...] = Field(default=(100,), min_length=1)
    """Filters of each width, layer by layer. A layer as wide as the one before it adds to its input."""
    kernels: tuple[int, ...] = Field(default=(3, 4, 5), min_length=1)
    """Widths of the filters, in steps; their maps lie side by side."""
    summary: Literal["mean", "max", "mean_max"] = "max"
    """What goes to the head: the mean or maximum of each map over the valid steps, or both."""
    dense: tuple[int, ...] = ()
    """Widths of the hidden dense layers."""
    activation: ActivationName = "relu"
    """sigmoid, tanh, relu, leaky_relu, elu, maxout, gelu or silu, after every convolution and hidden dense layer."""
    maxout_pieces: int = Field(default=2, ge=2)
    """Linear pieces of maxout."""
    batch_norm: bool = False
    """Normalise each map over the batch, between convolution and activation."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of values set to zero in training: embeddings, and before dense layers."""
    embedding: int = Field(default=64, ge=1)
    """Token ids only: numbers that stand for a token."""
    wide: int = Field(default=0, ge=0)
    """A linear model beside the net (wide and deep, Cheng 2016). Tokens: of n-grams of up to so many; series: 1, of all values, 2, of random convolutions too (MiniRocket, Dempster 2021); 0: none."""
    relative: bool = False
    """Series: the net sees each step's distance from the last one (NLinear, Zeng 2023), so that levels do not matter."""

    def __post_init__(self) -> None:
        if min(self.channels) < 1 or min(self.kernels) < 1:
            raise ConfigError(
                f"channels and kernels must be whole numbers >= 1, got {list(self.channels)} and "
                f"{list(self.kernels)}."
            )

    def with_layers(
        self, widths: tuple[int, ...], dense: tuple[int, ...] = ()
    ) -> SequenceCNNConfig:
        """The same with a layer of convolutions for each width; `dense` is as it is already."""
        return replace(self, channels=widths)

    def idle(self, kind: str | None) -> Iterator[IdleSetting]:
        """Settings that change nothing beside the others, for rows of this kind."""
        yield from without_maxout(self.activation)
        yield from without_tokens(kind)


class Layer(nn.Module):
    """(B, C_in, T) -> (B, channels * number of kernels, T)."""

    def __init__(self, channels_in: int, channels: int, net: SequenceCNNConfig) -> None:
        super().__init__()
        width = activations.widen(net.activation, channels, net.maxout_pieces)
        self.convs = nn.ModuleList(
            nn.Conv1d(channels_in, width, kernel, bias=not net.batch_norm) for kernel in net.kernels
        )
        for conv in self.convs:
            activations.initialise(conv, net.activation)
        total = width * len(net.kernels)
        self.norm = nn.BatchNorm1d(total) if net.batch_norm else nn.Identity()
        self.activation = activations.make(net.activation, pieces=net.maxout_pieces)
        self.adds = channels_in == channels * len(net.kernels)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for conv in self.convs:
            assert isinstance(conv, nn.Conv1d)
            around = conv.kernel_size[0] - 1
            maps.append(conv(nn.functional.pad(x, (around // 2, around - around // 2))))
        out: Tensor = self.activation(self.norm(torch.cat(maps, dim=1)))
        return x + out if self.adds else out


class SequenceCNN(nn.Module):
    """Token ids (B, T) or a series (B, T, C), with lengths (B,) -> (B, num_outputs).

    Steps from a row's length on are padding and change nothing, but for the statistics of batch norm.

    Raises:
        ConfigError: the input has no time axis.
    """

    def __init__(self, net: SequenceCNNConfig, spec: TensorSpec, num_outputs: int) -> None:
        super().__init__()
        if spec.kind not in ("tokens", "series"):
            raise ConfigError(
                f"a sequence_cnn reads tokens or series, got {spec.kind} {spec.shape}. Use net.kind "
                "cnn."
            )
        check_relative(net.relative, spec)
        self.summary, self.relative = net.summary, net.relative
        self.normalises = net.batch_norm
        tokens = spec.kind == "tokens"
        self.embedding = (
            make_embedding(spec.vocabulary_size or 0, net.embedding) if tokens else nn.Identity()
        )
        self.embedding_dropout = Dropout(net.dropout) if tokens else nn.Identity()
        width = net.embedding if tokens else spec.shape[1]
        layers = []
        for channels in net.channels:
            layers.append(Layer(width, channels, net))
            width = channels * len(net.kernels)
        self.layers = nn.ModuleList(layers)
        features = width * (2 if net.summary == "mean_max" else 1)
        self.dropout = Dropout(net.dropout) if net.dropout else nn.Identity()
        self.dense, features = dense_layers(features, net)
        self.output = output_layer(features, num_outputs)
        self.wide = make_wide(net.wide, spec, num_outputs, net.dropout)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        if self.relative:
            x = relative_to_last(x, length)
        raw = x
        x = self.embedding_dropout(self.embedding(x)).transpose(1, 2)  # (B, C, T)
        valid = None
        if length is not None and not self.normalises and not torch.compiler.is_exporting():
            # Half the time: most batches end long before the longest text.
            x = x[:, :, : int(length.clamp(1, x.shape[2]).max())]
        if length is not None:
            valid = valid_steps(length, x.shape[2])[:, None, :]
        for layer in self.layers:
            x = layer(x if valid is None else x * valid)
        summary = summarize(self.summary, x.transpose(1, 2), length)
        out: Tensor = self.output(self.dense(self.dropout(summary)))
        return out if self.wide is None else out + self.wide(raw, length)
