"""The wide part of a net: a linear model beside it, whose answers are added to the net's.

After Cheng et al. 2016, "Wide & Deep Learning for Recommender Systems": the linear part learns
quickly which single features decide, and the net learns what is left. Where rows are few and a linear
model is strong, the sum rarely falls below it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nets.dropout import Dropout
from nets.errors import ConfigError
from nets.ngrams import LONGEST, hash_ngrams
from nets.rocket import RandomConvolutions
from nets.spec import TensorSpec

_ROWS = 2**17
"""Rows of the table of hashed n-grams: few collide in some ten thousand texts."""
_VALUES = 2**22
"""Most weights of the table: with many classes it has fewer rows."""
_SPEED = 20.0
"""Factor on the n-grams' sum. An n-gram is seen in few steps, and each moves its weight by about the
learning rate: at the net's rate it would need hundreds of epochs for weights of a linear model's size."""


def make(wide: int, spec: TensorSpec, num_outputs: int, dropout: float) -> nn.Module | None:
    """The linear part; None for `wide` 0.

    Args:
        wide: tokens: n-grams of up to so many tokens; other samples: 1, all of their values; series:
            2, random convolutions and all values.
        dropout: share of the n-grams or values that a row goes without in training.

    Raises:
        ConfigError: n-grams of what has no tokens, or longer ones than can be told apart.
    """
    if wide == 0:
        return None
    if spec.kind == "tokens":
        if wide > LONGEST:
            raise ConfigError(f"net.wide is the length of n-grams, at most {LONGEST}, got {wide}.")
        return NGrams(wide, spec.vocabulary_size or 2, num_outputs, dropout)
    if wide == 2 and spec.kind == "series":
        return RandomConvolutions(spec.shape[0], spec.shape[1], num_outputs)
    if wide > 1:
        raise ConfigError(
            f"n-grams are of tokens, got net.wide {wide} for {spec.kind} {spec.shape}. Set net.wide "
            "to 1 for a linear part beside the net (series: 2, of random convolutions), or to 0."
        )
    return Linear(math.prod(spec.shape), num_outputs, dropout)


class NGrams(nn.Module):
    """Token ids (B, T), lengths (B,) -> (B, num_outputs): a weight for each n-gram of a text.

    Single tokens have rows of their own, longer n-grams are hashed (Weinberger et al. 2009). The sum
    is divided by the square root of the number of n-grams, as if a text had length 1 (as in TF-IDF).
    """

    def __init__(self, longest: int, vocabulary: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.longest, self.vocabulary = longest, vocabulary
        hashed = min(_ROWS, max(1024, _VALUES // num_outputs)) if longest > 1 else 0
        self.hashed = hashed
        self.weight = nn.Parameter(torch.zeros(vocabulary + hashed, num_outputs))
        self.bias = nn.Parameter(torch.zeros(num_outputs))
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        rows = [x]
        there = [x > 0]
        for codes, here in hash_ngrams(x, self.longest, self.hashed):
            rows.append(self.vocabulary + codes)
            there.append(here)
        seen = torch.cat(there, dim=1)
        share = seen.float() / seen.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
        weights = nn.functional.embedding(torch.cat(rows, dim=1), self.weight)
        total: Tensor = (weights * self.dropout(share)[:, :, None]).sum(dim=1) * _SPEED
        return total + self.bias

    def extra_repr(self) -> str:
        return f"longest={self.longest}, rows={len(self.weight)}"


class Linear(nn.Module):
    """(B, *shape) -> (B, num_outputs): a linear model of all values of a sample; 0 at first."""

    def __init__(self, features: int, num_outputs: int, dropout: float) -> None:
        super().__init__()
        self.rate = dropout
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.linear = nn.Linear(features, num_outputs)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        out: Tensor = self.linear(self.dropout(x.flatten(1)))
        return out


class OwnHistory(nn.Module):
    """A series (B, T, C) -> (B, horizon * targets): each target from its own past alone; 0 at first.

    As DLinear and NLinear have it. On four thousand windows of seven channels, a linear forecast from
    all of them has errors a sixth to a half larger than one from the own past.
    """

    targets: Tensor

    def __init__(self, steps: int, channel: Tensor, dropout: float) -> None:
        """
        Args:
            channel: (horizon * targets,) the channel of each output, all targets of the first step
                first.
        """
        super().__init__()
        targets = len(channel.unique())
        self.register_buffer("targets", channel[:targets].clone(), persistent=False)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.weight = nn.Parameter(torch.zeros(targets, steps, len(channel) // targets))
        self.bias = nn.Parameter(torch.zeros(len(channel)))

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        own = self.dropout(x[:, :, self.targets])
        return torch.einsum("btn,nth->bhn", own, self.weight).flatten(1) + self.bias


def read_own_history(body: nn.Module, spec: TensorSpec, channel: Tensor) -> None:
    """Let the linear part of a forecasting net, if it has one, read the forecast channels alone."""
    wide = getattr(body, "wide", None)
    if isinstance(wide, Linear) and spec.kind == "series":
        body.wide = OwnHistory(spec.shape[0], channel, wide.rate)


def relative_to_last(x: Tensor, length: Tensor | None) -> Tensor:
    """A series (B, T, C) as the distance of each step from the last one; padding stays 0.

    After NLinear (Zeng et al. 2023, "Are Transformers Effective for Time Series Forecasting?"): what a
    net learns on one level then holds on another.
    """
    if length is None:
        return x - x[:, -1:]
    last = length.clamp(1, x.shape[1]) - 1
    # Not by an index of rows: an exported net would keep the number of rows it was exported with.
    change = x - x.gather(1, last[:, None, None].expand(-1, 1, x.shape[2]))
    steps = torch.arange(x.shape[1], device=x.device)
    return change.masked_fill((steps > last[:, None])[:, :, None], 0.0)


def check_relative(relative: bool, spec: TensorSpec) -> None:
    """Refuse `relative` for what is no series.

    Raises:
        ConfigError: it is none.
    """
    if relative and spec.kind != "series":
        raise ConfigError(
            f"net.relative is about steps of a series, got {spec.kind} {spec.shape}. Set it to false."
        )
