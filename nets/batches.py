"""Batches of rows that are in memory as one tensor: shuffled for training, in order for evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter, methodcaller
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nets.errors import ConfigError

Resample = Literal["none", "over", "under"]


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


def mix_seed(*parts: int) -> int:
    """One 63-bit seed out of several numbers >= 0; neighbours give unrelated streams."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def num_batches(
    num_rows: int, batch_size: int, *, shuffle: bool = True, rank: int = 0, world_size: int = 1
) -> int:
    """How many batches `batches` gives to one worker."""
    start, stop = _share(num_rows, shuffle, rank, world_size)
    return len(_bounds(stop - start, batch_size, shuffle))


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
) -> Iterator[Batch]:
    """One pass over `data`, on the device it is on.

    With `shuffle` (training), a permutation drawn from (seed, epoch) is cut into equal shares, so
    every rank gets the same number of batches (collective gradients need that); up to
    `world_size - 1` rows, different ones each epoch, sit out. A last batch of a single row joins
    the one before it, since batch normalisation cannot train on one row. With `resample`, it is a
    permutation of `num_resampled_rows` rows, equally many of each class (`TrainingConfig.resample`).

    Without it (evaluation), each rank gets consecutive rows in order, as views: every row exactly
    once over all ranks, and the ranks' results joined in rank order are in row order.

    Raises:
        ConfigError: fewer rows than workers, with `shuffle`.
    """
    num_rows = len(data.features)
    if shuffle and resample != "none":
        num_rows = num_resampled_rows(torch.bincount(data.label).tolist(), resample)
    start, stop = _share(num_rows, shuffle, rank, world_size)
    bounds = _bounds(stop - start, batch_size, shuffle)
    if not shuffle:
        for low, high in bounds:
            yield _map_tensors(data, itemgetter(slice(start + low, start + high)))
        return
    generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
    order = torch.randperm(num_rows, generator=generator)
    if resample != "none":
        order = _draw_evenly(data.label.cpu(), num_rows, generator)[order]
    order = order[start:stop].to(data.features.device)
    for low, high in bounds:
        rows = order[low:high]
        yield _map_tensors(data, methodcaller("index_select", 0, rows))


def num_resampled_rows(class_counts: Sequence[int], resample: Resample) -> int:
    """Rows of an epoch in which every class that has rows has as many as the largest or smallest."""
    present = [count for count in class_counts if count]
    if resample == "none" or not present:
        return sum(present)
    return len(present) * (max(present) if resample == "over" else min(present))


def _draw_evenly(label: Tensor, num_rows: int, generator: torch.Generator) -> Tensor:
    """(num_rows,) row numbers, equally many of each class; a row comes again only after
    every other row of its class."""
    order = torch.argsort(label, stable=True)
    classes = [rows for rows in order.split(torch.bincount(label).tolist()) if len(rows)]
    each = num_rows // len(classes)
    by_class = []
    for rows in classes:
        passes = -(-each // len(rows))
        shuffled = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(passes)]
        by_class.append(torch.cat(shuffled)[:each])
    return torch.cat(by_class)


def _map_tensors(data: Batch, take: Callable[[Tensor], Tensor]) -> Batch:
    features, label, length, weight = data
    return Batch(
        take(features),
        take(label),
        None if length is None else take(length),
        None if weight is None else take(weight),
    )


def _share(num_rows: int, shuffle: bool, rank: int, world_size: int) -> tuple[int, int]:
    """First row and last row + 1 of a rank's share (of the permutation, where there is one)."""
    if not shuffle:
        return num_rows * rank // world_size, num_rows * (rank + 1) // world_size
    size = num_rows // world_size
    if size == 0:
        raise ConfigError(
            f"every worker needs at least one row to train on, got {num_rows} rows for "
            f"{world_size} workers. Use fewer workers or more rows."
        )
    return size * rank, size * (rank + 1)


def _bounds(num_rows: int, batch_size: int, join_single: bool) -> list[tuple[int, int]]:
    cuts = [*range(0, num_rows, batch_size), num_rows]
    if join_single and batch_size > 1 and len(cuts) > 2 and cuts[-1] - cuts[-2] == 1:
        del cuts[-2]
    return list(itertools.pairwise(cuts))
