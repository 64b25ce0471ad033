"""Batch normalisation over the whole batch where several workers train together, on any device.

`torch.nn.SyncBatchNorm` does this on GPUs only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nets.workers import add_up, counts_own_rows, world_size


def synchronise(net: nn.Module) -> None:
    """Have each batch norm of the net use the statistics of all workers' rows, in place.

    Parameters, buffers and their names stay; with one worker nothing changes.
    """
    for module in net.modules():
        if type(module) in _SYNCED:
            module.__class__ = _SYNCED[type(module)]


def _normalise(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """(B, C, ...) to the same shape, by the statistics of all workers' rows."""
    values = x.float().transpose(0, 1).flatten(1)  # (C, B * positions)
    own = float(counts_own_rows())
    count = _sum(values.new_tensor([values.shape[1] * own]))
    mean = _sum(values.sum(1) * own) / count
    variance = _sum((values - mean[:, None]).square().sum(1) * own) / count
    _update(norm, mean.detach(), (variance * count / (count - 1).clamp(min=1)).detach())
    shape = (1, -1, *[1] * (x.dim() - 2))
    out = (x - mean.view(shape)) * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        out = out * norm.weight.view(shape) + norm.bias.view(shape)
    return out.to(x.dtype)


@torch.no_grad()
def _update(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Move the running figures, which evaluation uses, towards those of the batch."""
    if norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    momentum = norm.momentum
    share = 1 / float(norm.num_batches_tracked) if momentum is None else momentum
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance, share)


class _SyncedBatchNorm1d(nn.BatchNorm1d):
    def forward(self, x: Tensor) -> Tensor:
        if self.training and world_size() > 1:
            return _normalise(self, x)
        return super().forward(x)


class _SyncedBatchNorm2d(nn.BatchNorm2d):
    def forward(self, x: Tensor) -> Tensor:
        if self.training and world_size() > 1:
            return _normalise(self, x)
        return super().forward(x)


_SYNCED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _SyncedBatchNorm1d,
    nn.BatchNorm2d: _SyncedBatchNorm2d,
}


class _Sum(torch.autograd.Function):
    """The sum over all workers; so is its gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return add_up(values.clone())

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return add_up(gradients[0].clone())


def _sum(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)
    return total
