"""The order of an epoch: which row comes when, as a function of (seed, epoch, number of rows).

The number of workers has no say, and nothing has to be replayed: the rows of any step can be asked
for by themselves.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

Resample = Literal["none", "over", "under"]

EXACT_ROWS = 2**24
"""Up to this many rows a permutation is drawn and kept: 8 bytes a row."""

_ROUNDS = 6


def mix_seed(*parts: int) -> int:
    """One 63-bit seed out of several numbers >= 0; neighbours give unrelated streams."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def step_seeds(seed: int, epoch: int, num_steps: int) -> list[int]:
    """A 63-bit seed for each step of an epoch: a training that goes on at any step draws the same."""
    state = np.random.SeedSequence((seed, epoch, 1)).generate_state(num_steps, np.uint64)
    return [int(value) for value in state >> np.uint64(1)]


class Order:
    """Every row number below `num_rows` once, in an order drawn from (seed, epoch)."""

    def __init__(self, num_rows: int, *, seed: int, epoch: int) -> None:
        self.num_rows = num_rows
        self._drawn: Tensor | None = None
        if num_rows <= EXACT_ROWS:
            generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
            self._drawn = torch.randperm(num_rows, generator=generator)
        else:
            self._keyed = _KeyedPermutation(num_rows, seed, epoch)

    def rows(self, start: int, stop: int) -> Tensor:
        """(stop - start,) int64 row numbers at these places of the order."""
        if self._drawn is not None:
            return self._drawn[start:stop]
        return torch.from_numpy(self._keyed.at(np.arange(start, stop, dtype=np.uint64)))


class Shards(NamedTuple):
    """Rows that can be reached a shard at a time; each shard is a random sample of all rows."""

    rows: tuple[int, ...]
    """Of each shard. Rows are numbered through the shards."""
    window: int
    """Shards whose rows are mixed."""
    class_counts: tuple[tuple[int, ...], ...] | None = None
    """Rows of each class, of each shard; a shard may leave out the last classes that it has no rows
    of. None: the rows have no classes."""

    def count_classes(self) -> np.ndarray:
        """(shards, classes) int64."""
        assert self.class_counts is not None, "rows without classes"
        counts = np.zeros((len(self.rows), max(map(len, self.class_counts))), np.int64)
        for row, own in zip(counts, self.class_counts, strict=True):
            row[: len(own)] = own
        return counts


LabelsOfShard = Callable[[int], Tensor]
"""(n,) int64, the class of each row of a shard, by the shard's number."""


class WindowedOrder(Order):
    """Every row once, for rows in shards: the shards in an order drawn from (seed, epoch), cut into
    windows, and the rows of each window in an order drawn from (seed, epoch, window).

    A reader holds one window and fetches the next one. Up to `shards.window` shards the order is a
    true permutation; above, rows of different windows never meet in a batch, but since each shard is
    a random sample of the rows, batches are as mixed.
    """

    def __init__(self, shards: Shards, *, seed: int, epoch: int) -> None:
        self._seed, self._epoch = seed, epoch
        self._starts = [0, *itertools.accumulate(shards.rows)]
        generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
        drawn = torch.randperm(len(shards.rows), generator=generator).tolist()
        cuts = range(0, len(drawn), shards.window)
        self.windows: list[list[int]] = [drawn[n : n + shards.window] for n in cuts]
        """Numbers of the shards, in the order in which they are read."""
        self._cut(shards.rows)

    def _cut(self, rows: Sequence[int]) -> None:
        """Places for the windows' rows, by how many there are of each shard."""
        self.num_rows = sum(rows)
        sizes = [sum(rows[shard] for shard in window) for window in self.windows]
        self._ends = list(itertools.accumulate(sizes))
        self._last: tuple[int, Tensor] | None = None

    def rows(self, start: int, stop: int) -> Tensor:
        """(stop - start,) int64 row numbers at these places of the order."""
        parts = [torch.empty(0, dtype=torch.int64)]
        number = bisect.bisect_right(self._ends, start)
        while start < min(stop, self.num_rows):
            rows = self._draw(number)
            begins = self._ends[number] - len(rows)
            parts.append(rows[start - begins : stop - begins])
            start, number = self._ends[number], number + 1
        return torch.cat(parts)

    def _draw(self, number: int) -> Tensor:
        """The row numbers of a window, in their order."""
        if self._last is None or self._last[0] != number:
            generator = torch.Generator()
            generator.manual_seed(mix_seed(self._seed, self._epoch, 2, number))
            rows = torch.cat([self._of_shard(n, generator) for n in self.windows[number]])
            self._last = (number, rows[torch.randperm(len(rows), generator=generator)])
        return self._last[1]

    def _of_shard(self, shard: int, generator: torch.Generator) -> Tensor:
        """The row numbers of a shard that the epoch has."""
        return torch.arange(*self._starts[shard : shard + 2])


class ResampledWindows(WindowedOrder):
    """`ResampledOrder` for rows in shards, in the windows of `WindowedOrder`.

    Which rows come once more, or not at all, is drawn in two steps: how many of each class a shard
    has of them (hypergeometric, as if they were drawn from all rows), and which ones, where the shard is
    read. So only the classes of one window's rows are in memory.

    Args:
        labels: of a shard; asked for when its window comes.
    """

    def __init__(
        self,
        shards: Shards,
        labels: LabelsOfShard,
        resample: Resample,
        *,
        seed: int,
        epoch: int,
    ) -> None:
        super().__init__(shards, seed=seed, epoch=epoch)
        self._labels = labels
        self._counts = shards.count_classes()
        totals = self._counts.sum(axis=0)
        present = np.flatnonzero(totals)
        each = num_resampled_rows(totals.tolist(), resample) // len(present)
        generator = np.random.default_rng(mix_seed(seed, epoch, 3))
        self._taken = np.zeros_like(self._counts)
        """(shards, classes): rows that the epoch has."""
        for number in present:
            own, (passes, rest) = self._counts[:, number], divmod(each, int(totals[number]))
            more = generator.multivariate_hypergeometric(own, rest, method="marginals")
            self._taken[:, number] = passes * own + more
        self._cut(self._taken.sum(axis=1).tolist())

    def _of_shard(self, shard: int, generator: torch.Generator) -> Tensor:
        labels = self._labels(shard)
        order = torch.argsort(labels, stable=True)
        classes = order.split(self._counts[shard].tolist())
        parts = [
            _draw_rows(rows, int(count), generator)
            for rows, count in zip(classes, self._taken[shard], strict=True)
            if count
        ]
        return self._starts[shard] + torch.cat([order[:0], *parts])


class ResampledOrder(Order):
    """Rows in which every class comes equally often; see `num_resampled_rows`.

    Args:
        labels: (n,) int64, the class of each row.
    """

    def __init__(self, labels: Tensor, resample: Resample, *, seed: int, epoch: int) -> None:
        self.num_rows = num_resampled_rows(torch.bincount(labels).tolist(), resample)
        generator = torch.Generator().manual_seed(mix_seed(seed, epoch))
        order = torch.randperm(self.num_rows, generator=generator)
        self._drawn = _draw_evenly(labels, self.num_rows, generator)[order]


def draw_order(
    num_rows: int,
    *,
    seed: int,
    epoch: int,
    shards: Shards | None = None,
    resample: Resample = "none",
    labels: Tensor | LabelsOfShard | None = None,
) -> Order:
    """The order of an epoch.

    Args:
        shards: where the rows can only be reached a shard at a time.
        labels: (num_rows,) int64, or with `shards` of each shard; needed to resample.
    """
    if resample == "none":
        if shards is not None:
            return WindowedOrder(shards, seed=seed, epoch=epoch)
        return Order(num_rows, seed=seed, epoch=epoch)
    if shards is not None:
        assert callable(labels), "resampling shards needs the labels of each"
        return ResampledWindows(shards, labels, resample, seed=seed, epoch=epoch)
    assert isinstance(labels, Tensor), "resampling needs the labels of all rows"
    return ResampledOrder(labels, resample, seed=seed, epoch=epoch)


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
    return torch.cat([_draw_rows(rows, each, generator) for rows in classes])


def _draw_rows(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count,) of the rows; one comes again only after every other one."""
    passes = -(-count // len(rows))
    shuffled = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(passes)]
    return torch.cat(shuffled)[:count]


class _KeyedPermutation:
    """A permutation of range(n) that takes no memory: a Feistel network over the next even number of
    bits, applied again where it leaves the range ("cycle walking", Black and Rogaway 2002)."""

    def __init__(self, num_rows: int, seed: int, epoch: int) -> None:
        self._num_rows = np.uint64(num_rows)
        half = (max(2, (num_rows - 1).bit_length()) + 1) // 2
        self._half, self._mask = np.uint64(half), np.uint64(2**half - 1)
        self._keys = np.random.SeedSequence((seed, epoch)).generate_state(_ROUNDS, np.uint64)

    def at(self, places: np.ndarray) -> np.ndarray:
        """(k,) int64 row numbers at the places, (k,) uint64."""
        values = self._encrypt(places)
        outside = values >= self._num_rows
        while outside.any():
            values[outside] = self._encrypt(values[outside])
            outside = values >= self._num_rows
        return values.astype(np.int64)

    def _encrypt(self, values: np.ndarray) -> np.ndarray:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_scramble(right + key) & self._mask)
        result: np.ndarray = (left << self._half) | right
        return result


def _scramble(values: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014), (k,) uint64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: np.ndarray = values ^ (values >> np.uint64(31))
    return result
