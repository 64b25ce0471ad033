"""The activations a net can be built with, and the initialisation that suits each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from nets.config import unknown
from nets.errors import ConfigError

LEAKY_SLOPE = 0.01
"""Slope of leaky_relu below zero (Maas et al. 2013)."""


class Maxout(nn.Module):
    """The largest of `pieces` linear functions of the input (Goodfellow et al. 2013).

    The layer before it computes all pieces: (B, width * pieces, ...) -> (B, width, ...). The pieces
    of a unit lie side by side.
    """

    def __init__(self, pieces: int, dim: int = 1) -> None:
        super().__init__()
        self.pieces, self.dim = pieces, dim

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(self.dim, (-1, self.pieces)).amax(
            self.dim if self.dim < 0 else self.dim + 1
        )

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}, dim={self.dim}"


# Never in place: a hook that looks at the layer before must see its values.
_MAKERS: dict[str, Callable[[], nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(LEAKY_SLOPE),
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def names() -> list[str]:
    """Every activation that can be named."""
    return sorted([*_MAKERS, "maxout"])


def _check_name(name: str) -> str:
    if name not in names():
        raise ConfigError(unknown("activation", name, names()))
    return name


ActivationName = Annotated[str, AfterValidator(_check_name)]
"""A name in the registry, checked when a configuration is made."""


def make(name: str, *, pieces: int = 2, dim: int = 1) -> nn.Module:
    """The activation as a module.

    Args:
        pieces, dim: for maxout only: how many linear pieces, and the dimension they lie in.

    Raises:
        ConfigError: no such activation; the known ones are listed.
    """
    return Maxout(pieces, dim) if _check_name(name) == "maxout" else _MAKERS[name]()


def widen(name: str, width: int, pieces: int) -> int:
    """Outputs the layer before the activation needs for `width` outputs behind it."""
    return width * pieces if name == "maxout" else width


def initialise(layer: nn.Module, activation: str | None) -> None:
    """Weights for a layer that the activation (None: nothing) follows; biases to zero.

    He et al. (2015), variance 2 / ((1 + slope²) fan_in), before rectifiers and their smooth kin,
    where about half of the input is cut off. Glorot & Bengio (2010), variance
    2 / (fan_in + fan_out), before sigmoid, tanh, maxout (which cuts nothing) and outputs. Sigmoid
    gets 4 times the standard deviation, as its slope at 0 is a quarter of tanh's (same paper's
    code in Theano's tutorial, LeCun et al. 1998 for the argument).
    """
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if activation in ("relu", "leaky_relu", "elu", "gelu", "silu"):
        slope = LEAKY_SLOPE if activation == "leaky_relu" else 0.0
        nn.init.kaiming_normal_(weight, a=slope, nonlinearity="leaky_relu")
    else:
        nn.init.xavier_uniform_(weight, gain=4.0 if activation == "sigmoid" else 1.0)
    if isinstance(bias := getattr(layer, "bias", None), Tensor):
        with torch.no_grad():
            bias.zero_()


def num_after_conv(size: int, kernel: int, stride: int, padding: int) -> int:
    """Length of one axis after a convolution or pooling."""
    return math.floor((size + 2 * padding - kernel) / stride) + 1
