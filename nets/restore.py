"""Measured values back in the units they were measured in: the last layer of a regression.

A body learns best what has mean 0 and deviation 1. The figures are those of the training rows, and
lie in the net, so its loss, its metrics and its answers are all in the labels' own units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nets.prepare import PreparationConfig
from nets.statistics import Statistics


class Restore(nn.Module):
    """value * factor + offset, plus the last measured value of a channel where changes are learned.

    (B, num_outputs), the raw sample (B, T, C) and its lengths (B,) -> (B, num_outputs).
    """

    offset: Tensor
    factor: Tensor
    channel: Tensor | None

    def __init__(self, offset: Tensor, factor: Tensor, channel: Tensor | None) -> None:
        """
        Args:
            offset, factor: (num_outputs,).
            channel: (num_outputs,) int64, the channel whose last value each output starts from.
        """
        super().__init__()
        self.register_buffer("offset", offset.float())
        self.register_buffer("factor", factor.float())
        self.register_buffer("channel", channel)

    def forward(self, values: Tensor, features: Tensor, length: Tensor | None = None) -> Tensor:
        values = values * self.factor + self.offset
        return values if self.channel is None else values + self._last(features, length)

    def undo(self, labels: Tensor, features: Tensor, length: Tensor | None = None) -> Tensor:
        """Labels (B, num_outputs) in their own units -> the values of the body that give them."""
        if self.channel is not None:
            labels = labels - self._last(features, length)
        return (labels - self.offset) / self.factor

    def _last(self, features: Tensor, length: Tensor | None) -> Tensor:
        """(B, num_outputs): the last measured value of each output's channel."""
        if length is None:
            last = features[:, -1]
        else:
            rows = torch.arange(len(features), device=features.device)
            last = features[rows, length.clamp(1, features.shape[1]) - 1]
        return last.float()[:, self.channel]


def make(
    config: PreparationConfig, statistics: Statistics | None, channel: tuple[int, ...] | None = None
) -> Restore | None:
    """The last layer, from figures of the training labels; None where these are learned as they are.

    Args:
        statistics: of the labels, or for `targets="change"` of their distance from the last value.
        channel: for `targets="change"`: the channel that each output is a later value of.
    """
    if statistics is None:
        return None
    deviation = (torch.from_numpy(statistics.variance) + config.epsilon).sqrt()
    channels = torch.tensor(channel) if config.targets == "change" else None
    return Restore(torch.from_numpy(statistics.mean), deviation, channels)
