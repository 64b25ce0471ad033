"""Averaged weights: a moving mean of a net's weights over the steps, which is evaluated and kept.

An exponential moving average (Polyak and Juditsky 1992; its decay rises at first, as in TensorFlow's
`ExponentialMovingAverage`, so that the random beginning is soon forgotten).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class Averages:
    """The mean of the weights of `net`, and of its running statistics.

    Args:
        decay: share of the mean that a step keeps, below 1.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self._net, self._decay = net, decay
        self._steps = 0
        # A module that is there twice has its weights once: they are swapped once.
        last = {_place(value): name for name, value in net.state_dict().items()}
        self._means = {
            name: value.detach().clone()
            for name, value in net.state_dict().items()
            if value.is_floating_point() and last[_place(value)] == name
        }

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        now = self._net.state_dict()
        for name, mean in self._means.items():
            mean.lerp_(now[name].detach(), 1 - decay)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """The net has the means as its weights inside the block, and its own again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        now = self._net.state_dict()
        for name, mean in self._means.items():
            own = now[name].clone()
            now[name].copy_(mean)
            mean.copy_(own)

    def state_dict(self) -> dict[str, Tensor | int]:
        """What a training that goes on needs."""
        return {"steps": self._steps, **self._means}

    def load_state_dict(self, state: Mapping[str, Tensor | int]) -> None:
        """Continue from what `state_dict` gave."""
        self._steps = int(state["steps"])
        for name, mean in self._means.items():
            mean.copy_(state[name])


def _place(value: Tensor) -> tuple[int, torch.Size]:
    return value.data_ptr(), value.shape
