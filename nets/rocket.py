"""Random convolutions of a series, and a linear model of how often each of them answers.

After MiniRocket (Dempster, Schmidt and Webb 2021, "MiniRocket: A Very Fast (Almost) Deterministic
Transform for Time Series Classification"): nothing in the convolutions is trained, only the linear model
over them. With it, few rows are enough where a net that learns its own filters needs many.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

_TAPS, _HIGH = 9, 3
"""A filter has nine taps: three of weight 2, six of weight -1. These are 84 filters."""
_FEATURES = 4_200
"""About as many features; the paper has 10,000, and little is lost with fewer."""
_MOST_DILATIONS = 16
_GOLDEN = (math.sqrt(5) + 1) / 2 - 1
_FITTED_ROWS = 64
"""Rows whose answers the thresholds are taken from."""


class RandomConvolutions(nn.Module):
    """A series (B, T, C), lengths (B,) -> (B, num_outputs); 0 at first.

    A feature is the share of a series' steps at which a filter, with some dilation and over some of the
    channels, answers more than a threshold; the values themselves are features beside them.
    """

    filters: Tensor
    thresholds: Tensor

    def __init__(self, steps: int, channels: int, num_outputs: int) -> None:
        super().__init__()
        self.dilations = _choose_dilations(steps)
        high = list(itertools.combinations(range(_TAPS), _HIGH))
        plain = torch.full((len(high), _TAPS), -1.0)
        for number, places in enumerate(high):
            plain[number, list(places)] = 2.0
        count = len(self.dilations)
        picked = _pick_channels(count * len(high), channels).view(count, len(high), channels)
        self.register_buffer("filters", picked[..., None] * plain[None, :, None, :])
        each = max(1, round(_FEATURES / (count * len(high))))
        spread = torch.special.ndtri(_levels(count * len(high) * each)) * 3
        self.register_buffer("thresholds", spread.view(count, len(high), each))
        self.linear = nn.Linear(self.thresholds.numel() + steps * channels, num_outputs)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        out: Tensor = self.linear(self.features(x, length))
        return out

    @torch.no_grad()
    def features(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """(B, features): shares of steps, less a half, and the values."""
        valid = _valid(x, length)
        count = valid.sum(2)
        shares = []
        for number in range(len(self.dilations)):
            answers = self._answer(x, number)
            for threshold in self.thresholds[number].unbind(1):  # one at a time: memory
                above = (answers > threshold[:, None]) & valid
                shares.append(above.sum(2) / count - 0.5)
        return torch.cat([*shares, x.flatten(1)], dim=1)

    @torch.no_grad()
    def fit_thresholds(self, x: Tensor, length: Tensor | None = None) -> None:
        """Take the thresholds from what the filters answer for some rows: quantiles of it."""
        rows = slice(0, None, max(1, len(x) // _FITTED_ROWS))
        x, length = x[rows], None if length is None else length[rows]
        valid = _valid(x, length)[:, 0]
        levels = _levels(self.thresholds.numel()).view(self.thresholds.shape)
        for number in range(len(self.dilations)):
            answers = self._answer(x, number).transpose(1, 2)[valid].sort(dim=0).values
            places = (levels[number] * (len(answers) - 1)).long()  # (filters, thresholds of each)
            self.thresholds[number] = answers.T.gather(1, places)

    def _answer(self, x: Tensor, number: int) -> Tensor:
        """(B, filters, T) for one dilation."""
        dilation = self.dilations[number]
        around = dilation * (_TAPS // 2)
        return nn.functional.conv1d(
            x.transpose(1, 2), self.filters[number], padding=around, dilation=dilation
        )

    def extra_repr(self) -> str:
        return f"{self.filters.shape[1]} filters, dilations {self.dilations}"


def _choose_dilations(steps: int) -> tuple[int, ...]:
    """From neighbours to as far as a filter reaches from end to end, evenly on a scale of powers."""
    furthest = max(0.0, math.log2(max(1.0, (steps - 1) / (_TAPS - 1))))
    powers = torch.linspace(0, furthest, _MOST_DILATIONS)
    return tuple(sorted({int(2**power) for power in powers.tolist()}))


def _pick_channels(filters: int, channels: int) -> Tensor:
    """(filters, channels) of 0 and 1: a few channels for each, most often one or two."""
    most = min(channels, _TAPS)
    sizes = (2 ** (torch.rand(filters) * math.log2(most + 1))).long().clamp(1, most)
    ranks = torch.rand(filters, channels).argsort(dim=1).argsort(dim=1)
    return (ranks < sizes[:, None]).float()


def _levels(count: int) -> Tensor:
    """(count,) in (0, 1), spread evenly whatever part of them is looked at."""
    return (torch.arange(1, count + 1, dtype=torch.float64) * _GOLDEN % 1).float().clamp(0.01, 0.99)


def _valid(x: Tensor, length: Tensor | None) -> Tensor:
    """(B, 1, T): steps before each row's length, and the first one of a row without any."""
    steps = torch.arange(x.shape[1], device=x.device)
    if length is None:
        return torch.ones(len(x), 1, x.shape[1], dtype=torch.bool, device=x.device)
    return (steps < length.clamp(min=1)[:, None])[:, None]
