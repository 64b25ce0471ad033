"""Batches of rows: shuffled for training, in order for evaluation, cut into shares for workers.

`batch_size` counts the rows of a step over all workers, and a batch holds the same rows for any
number of them; each worker takes its share.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from operator import itemgetter, methodcaller
from typing import NamedTuple

from torch import Tensor

from nets.errors import ConfigError
from nets.order import (
    LabelsOfShard,
    Resample,
    Shards,
    draw_order,
    mix_seed,
    num_resampled_rows,
)

__all__ = [
    "Batch",
    "Resample",
    "Share",
    "batches",
    "map_tensors",
    "mix_seed",
    "num_batches",
    "num_resampled_rows",
    "share_in_order",
    "shuffled_rows",
    "take",
]


class Share(NamedTuple):
    """The rows of a batch that are one worker's: from `start` to `stop` of the batch's `of` rows."""

    start: int
    stop: int
    of: int
    counts: bool = True
    """False: the rows are another worker's. This worker has none, and computes with them, at
    weight 0, because every worker takes part in each step."""


class Batch(NamedTuple):
    """Rows side by side; also a whole split, as the argument of `batches`."""

    features: Tensor
    """(B, *spec.shape) in spec.dtype: raw, as encoded."""
    label: Tensor
    """(B,) int64 class indices, or (B,) or (B, num_outputs) float values."""
    length: Tensor | None = None
    """(B,) int64, the number of valid steps of each row; None: all of them."""
    weight: Tensor | None = None
    """(B,) float, how much each row counts in the loss; None: all the same."""
    share: Share | None = None
    """Which rows of the batch these are, with several workers; None: all of them."""


def num_batches(
    num_rows: int, batch_size: int, *, shuffle: bool = True, rank: int = 0, world_size: int = 1
) -> int:
    """How many batches `batches` gives to one worker.

    Raises:
        ConfigError: fewer rows, or fewer rows a step, than workers, with `shuffle`.
    """
    if shuffle:
        _check_workers(num_rows, batch_size, world_size)
        return len(_bounds(num_rows, batch_size, join_single=True))
    start, stop = share_in_order(num_rows, rank, world_size)
    return len(_bounds(stop - start, batch_size, join_single=False))


def batches(
    data: Batch,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    shuffle: bool = True,
    rank: int = 0,
    world_size: int = 1,
    resample: Resample = "none",
    first: int = 0,
) -> Iterator[Batch]:
    """One pass over `data`, on the device it is on.

    With `shuffle` (training), the rows come as in `shuffled_rows`.

    Without it (evaluation), each rank gets consecutive rows in order, as views: every row exactly
    once over all ranks, and the ranks' results joined in rank order are in row order.

    Args:
        first: the number of the first batch, for a pass that goes on where another one ended.

    Raises:
        ConfigError: fewer rows, or fewer rows a step, than workers, with `shuffle`.
    """
    num_rows = len(data.features)
    if shuffle:
        labels = data.label.cpu() if resample != "none" else None
        for rows, share in shuffled_rows(
            num_rows,
            batch_size,
            seed=seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
            resample=resample,
            labels=labels,
            first=first,
        ):
            batch = take(data, rows.to(data.features.device))
            yield batch._replace(share=share)
        return
    start, stop = share_in_order(num_rows, rank, world_size)
    for low, high in _bounds(stop - start, batch_size, join_single=False)[first:]:
        yield map_tensors(data, itemgetter(slice(start + low, start + high)))


def shuffled_rows(
    num_rows: int,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    rank: int = 0,
    world_size: int = 1,
    resample: Resample = "none",
    labels: Tensor | LabelsOfShard | None = None,
    shards: Shards | None = None,
    first: int = 0,
) -> Iterator[tuple[Tensor, Share | None]]:
    """The row numbers of a rank's share of each batch.

    The order is a function of (seed, epoch, num_rows), or with `shards` of (seed, epoch, shards): every row once, the uneven last batch
    included, and the same batches for any number of workers. With `shards` the rows of a batch are in the order of the
    shards. A last batch of a single row joins the
    one before it, since batch normalisation cannot train on one row. With `resample`, the order is of
    `num_resampled_rows` rows, equally many of each class (`TrainingConfig.resample`).

    Args:
        labels: (num_rows,) int64, or with `shards` of each shard, needed to resample.
        shards: where the rows can only be reached a shard at a time; see `nets.order.WindowedOrder`.
        first: the number of the first batch.

    Raises:
        ConfigError: fewer rows, or fewer rows a step, than workers.
    """
    order = draw_order(
        num_rows, seed=seed, epoch=epoch, shards=shards, resample=resample, labels=labels
    )
    _check_workers(order.num_rows, batch_size, world_size)
    for low, high in _bounds(order.num_rows, batch_size, join_single=True)[first:]:
        share = _share_of_batch(high - low, rank, world_size) if world_size > 1 else None
        if shards is not None:
            # By shard: a share of the batch then lies in few of them, and a machine reads only these.
            rows = order.rows(low, high).sort().values
            yield (rows[share.start : share.stop] if share else rows), share
        elif share is None:
            yield order.rows(low, high), None
        else:
            yield order.rows(low + share.start, low + share.stop), share


def take(data: Batch, rows: Tensor) -> Batch:
    """Copies of these rows; (B,) int64, on the device of `data`."""
    return map_tensors(data, methodcaller("index_select", 0, rows))


def map_tensors(data: Batch, function: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with `function` applied to each of its tensors."""
    return Batch(
        function(data.features),
        function(data.label),
        None if data.length is None else function(data.length),
        None if data.weight is None else function(data.weight),
        data.share,
    )


def _share_of_batch(num_rows: int, rank: int, world_size: int) -> Share:
    """Shares of at least two rows, for batch normalisation: some workers may have none."""
    workers = min(world_size, max(1, num_rows // 2))
    if rank >= workers:
        return Share(0, min(2, num_rows), num_rows, counts=False)
    return Share(num_rows * rank // workers, num_rows * (rank + 1) // workers, num_rows)


def share_in_order(num_rows: int, rank: int, world_size: int) -> tuple[int, int]:
    """First row and last row + 1 of a rank's consecutive rows."""
    return num_rows * rank // world_size, num_rows * (rank + 1) // world_size


def _check_workers(num_rows: int, batch_size: int, world_size: int) -> None:
    if num_rows < world_size:
        raise ConfigError(
            f"every worker needs at least one row to train on, got {num_rows} rows for "
            f"{world_size} workers. Use fewer workers or more rows."
        )
    if batch_size < world_size:
        raise ConfigError(
            f"training.batch_size counts the rows of a step over all workers, got {batch_size} for "
            f"{world_size} workers. Raise training.batch_size, or lower cluster.num_workers."
        )


def _bounds(num_rows: int, batch_size: int, *, join_single: bool) -> list[tuple[int, int]]:
    cuts = [*range(0, num_rows, batch_size), num_rows]
    if join_single and batch_size > 1 and len(cuts) > 2 and cuts[-1] - cuts[-2] == 1:
        del cuts[-2]
    return list(itertools.pairwise(cuts))
