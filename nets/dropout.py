"""Dropout that does not cost more than the layer before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nets.workers import draw, world_size

_VALUES = 2**16


class Dropout(nn.Dropout):
    """Zero elements with probability `p` while training, scale the others by 1 / (1 - p).

    (Srivastava et al. 2014.) On the CPU PyTorch draws every element's number by itself, an eighth
    of a small net's step; here four elements share the 64 bits of a draw, so `p` is a multiple of
    1/65536 there.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not 0 < self.p < 1:
            return F.dropout(x, self.p, self.training)
        if x.device.type != "cpu" or not _dense(x):
            if world_size() == 1:
                return F.dropout(x, self.p, self.training)
            return x * draw(lambda size: F.dropout(x.new_ones(tuple(size)), self.p), x.shape)
        dropped = min(round(self.p * _VALUES), _VALUES - 1)
        values = draw(_draw_values, (len(x), x.numel() // max(1, len(x))))
        mask = (values >= dropped - _VALUES // 2).to(x.dtype).mul_(_VALUES / (_VALUES - dropped))
        # In the layout of x: a product of two layouts takes several times as long.
        return x * mask.view(-1).as_strided(x.shape, x.stride())


def _draw_values(shape: Sequence[int]) -> Tensor:
    """Random int16 values, (B, N): four from each draw of 64 bits."""
    count = math.prod(shape)
    draws = torch.empty((count + 3) // 4, dtype=torch.int64)
    return draws.random_(-(2**63), None).view(torch.int16)[:count].view(tuple(shape))


def _dense(x: Tensor) -> bool:
    if x.is_contiguous():
        return True
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
