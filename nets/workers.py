"""What workers that train one net together have to agree on: random draws, and sums over rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import torch
import torch.distributed
from torch import Tensor

from nets.batches import Share

_SHARE: ContextVar[Share | None] = ContextVar("share", default=None)


def world_size() -> int:
    """Workers that train together; 1 outside of a distributed training."""
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1


def add_up(values: Tensor) -> Tensor:
    """The sum of the tensor over all workers, in place."""
    if world_size() > 1:
        torch.distributed.all_reduce(values)
    return values


def agree(flag: bool, device: torch.device) -> bool:
    """Whether it is true for any worker: all of them get the same answer."""
    if world_size() == 1:
        return flag
    return bool(add_up(torch.tensor([float(flag)], device=device)).item())


@contextlib.contextmanager
def use_share(share: Share | None) -> Iterator[None]:
    """Within the block, `draw` draws for this share of a batch."""
    token = _SHARE.set(share)
    try:
        yield
    finally:
        _SHARE.reset(token)


def share_of_same(rows: int) -> Share | None:
    """The share of rows that all workers have alike: those of the first worker count."""
    if world_size() == 1:
        return None
    return Share(start=0, stop=rows, of=rows, counts=torch.distributed.get_rank() == 0)


def counts_own_rows() -> bool:
    """Whether the rows that this worker computes with are its own; see `Share.counts`."""
    share = _SHARE.get()
    return share is None or share.counts


def draw(function: Callable[[Sequence[int]], Tensor], shape: Sequence[int]) -> Tensor:
    """`function(shape)`, with the values that these rows get on any number of workers.

    Random numbers are drawn for the whole batch, by every worker with the same seed, and each worker
    takes those of its rows.

    Args:
        function: draws a tensor of the shape it is given.
        shape: (B, ...), B the rows of this worker.
    """
    share = _SHARE.get()
    if share is None or shape[0] != share.stop - share.start:
        return function(shape)
    return function((share.of, *shape[1:]))[share.start : share.stop]
