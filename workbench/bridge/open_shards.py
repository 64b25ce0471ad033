"""The rows of a split that lies in shards: fetched to this machine's cache as they are needed."""

from __future__ import annotations

import itertools
import mmap
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from nets.order import Shards
from workbench.bridge.arrays import Arrays, to_arrays
from workbench.bridge.cache import HeldShard, SharedOrigin, fetch_labels, hold_shard
from workbench.bridge.shards import StoredShards, open_table

if TYPE_CHECKING:
    from nets.spec import TensorSpec

_AT_ONCE = 8
"""Shards that a process fetches at once: an object store answers many requests at a time."""


class _Shard:
    """One shard, mapped."""

    def __init__(self, held: HeldShard, spec: TensorSpec) -> None:
        self.held = held
        with held.path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # All of its rows are needed soon, in any order: read in sequence they come fastest.
        content.madvise(mmap.MADV_WILLNEED)
        table = open_table(pa.py_buffer(content))
        self.keys = table["key"]
        self.arrays = to_arrays(table, spec)


class OpenShards:
    """The rows of a split, in the order of the shards; the same as `prepared.OpenSplit` otherwise.

    A shard that was used lately stays open, and is not removed from the cache meanwhile.
    """

    def __init__(self, origin: SharedOrigin, stored: StoredShards, spec: TensorSpec) -> None:
        self.origin, self.stored, self.spec = origin, stored, spec
        rows = [shard.rows for shard in stored.shards]
        self.shards = Shards(tuple(rows), stored.window)
        self.starts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])
        """Number of each shard's first row, and the number of rows."""
        self.num_rows = int(self.starts[-1])
        self.opened = self.fetched = self.bytes_fetched = 0
        """Shards that were opened, those of them that were not in the cache, and their bytes."""
        self._open: dict[int, Future[_Shard]] = {}
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "fetch")

    def begin(self, number: int) -> Future[_Shard]:
        """Have a shard opened by a thread, if it is not open."""
        with self._guard:
            if number not in self._open:
                self._open[number] = self._threads.submit(self._open_shard, number)
            return self._open[number]

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Close all other shards."""
        kept = set(numbers)
        with self._guard:
            closing = [self._open.pop(number) for number in self._open.keys() - kept]
        for shard in closing:
            if not shard.cancel():
                shard.add_done_callback(_close)

    def take(self, rows: np.ndarray) -> Arrays:
        """Copies of some rows, by their numbers (n,), in this order."""
        return self._gather(rows, close=True)

    def _gather(self, rows: np.ndarray, *, close: bool) -> Arrays:
        numbers, out = self.find(rows), dict[str, np.ndarray]()
        for number in np.unique(numbers).tolist():
            at = np.flatnonzero(numbers == number)
            shard = self.begin(number).result()
            for name, values in shard.arrays.items():
                if name not in out:
                    out[name] = np.empty((len(rows), *values.shape[1:]), values.dtype)
                out[name][at] = values.take(rows[at] - self.starts[number], axis=0)
            if close:
                self.keep_only([number])
        return out

    def find(self, rows: np.ndarray) -> np.ndarray:
        """The shard of each row."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    def gather_ahead(
        self, orders: Iterable[np.ndarray], groups: Sequence[Sequence[int]]
    ) -> Iterator[Arrays]:
        """Rows by their numbers, an array for each of `orders`. Only shards that have some of the rows are fetched.

        Args:
            groups: shards in the order in which the rows need them; while the rows of one group are
                read, the next group is fetched.
        """
        upcoming = _Upcoming(
            orders, {n: at for at, group in enumerate(groups) for n in group}, self.find
        )
        read = (-1, -1)
        while (batch := upcoming.next()) is not None:
            if batch.groups != read:
                first, last = read = batch.groups
                # Where rows of two groups meet, the first is given up before a third is fetched.
                near = upcoming.shards_until(last + 1 if first == last else last, batch)
                self.keep_only(near)
                for number in near:
                    self.begin(number)
            yield self._gather(batch.rows, close=False)

    def read(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Rows in their order; views where they lie in one shard."""
        start, stop, _ = slice(start, stop).indices(self.num_rows)
        parts: list[Arrays] = []
        for number, low, high in self._cut(start, stop):
            arrays = self.begin(number).result().arrays
            parts.append({name: values[low:high] for name, values in arrays.items()})
            self.keep_only([number, number + 1])
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def read_chunks(self, size: int = 4096) -> Iterator[Arrays]:
        """All rows in their order, `size` at a time."""
        for start in range(0, self.num_rows, size):
            number = int(self.find(np.array([start]))[0])
            if number + 1 < len(self.stored.shards):
                self.begin(number + 1)
            yield self.read(start, start + size)

    def labels(self) -> np.ndarray:
        """The labels in the order of the rows; nothing else is fetched."""
        with ThreadPoolExecutor(_AT_ONCE, "labels") as threads:
            return np.concatenate(list(threads.map(self.labels_of, range(len(self.stored.shards)))))

    def labels_of(self, number: int) -> np.ndarray:
        """The labels of a shard, without the rest of it where it is not open.

        Raises:
            DataError: the shard is gone, or damaged.
        """
        with self._guard:
            opened = self._open.get(number)
        if opened is not None and opened.done():
            return opened.result().arrays["label"]
        return fetch_labels(self.origin, self.stored.shards[number], self.spec)

    def keys(self, rows: np.ndarray) -> np.ndarray:
        """The names of rows, by their numbers (n,)."""
        numbers, out = self.find(rows), np.empty(len(rows), object)
        for number in np.unique(numbers).tolist():
            at = np.flatnonzero(numbers == number)
            keys = self.begin(number).result().keys
            out[at] = keys.take(pa.array(rows[at] - self.starts[number])).to_numpy()
            self.keep_only([number])
        return out.astype(str)

    def _cut(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Each shard of some rows, with the first of them and the last + 1, counted in the shard. At
        least one shard, so that there are columns where there are no rows."""
        first = min(int(self.find(np.array([start]))[0]), len(self.stored.shards) - 1)
        number = first
        while number == first or self.starts[number] < stop:
            begins, ends = self.starts[number : number + 2].tolist()
            yield number, max(start - begins, 0), min(max(stop, start), ends) - begins
            number += 1
            if number == len(self.stored.shards):
                return

    def _open_shard(self, number: int) -> _Shard:
        stored = self.stored.shards[number]
        held = hold_shard(self.origin, stored)
        with self._guard:
            self.opened += 1
            self.fetched += held.fetched
            self.bytes_fetched += held.fetched * stored.num_bytes
        return _Shard(held, self.spec)

    def take_counts(self) -> tuple[int, int, int]:
        """Since the last call: shards that were opened, those of them that were fetched, and their
        bytes."""
        with self._guard:
            counts = self.opened, self.fetched, self.bytes_fetched
            self.opened = self.fetched = self.bytes_fetched = 0
        return counts

    def close(self) -> None:
        """Let the shards be removed. What was read stays usable."""
        self.keep_only(())
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> OpenShards:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class _Batch(NamedTuple):
    rows: np.ndarray
    shards: list[int]
    groups: tuple[int, int]
    """The first and the last group that its shards are in."""


class _Upcoming:
    """Batches of row numbers, looked at before their turn comes."""

    def __init__(
        self,
        orders: Iterable[np.ndarray],
        group_of: Mapping[int, int],
        find: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self._orders, self._group_of, self._find = iter(orders), group_of, find
        self._waiting = deque[_Batch]()

    def next(self) -> _Batch | None:
        return self._waiting.popleft() if self._waiting or self._look() else None

    def shards_until(self, group: int, batch: _Batch) -> list[int]:
        """The shards of `batch` and of those after it, up to this group; the first needed first."""
        while not self._waiting or self._waiting[-1].groups[0] <= group:
            if not self._look():
                break
        needed = itertools.chain(batch.shards, *(each.shards for each in self._waiting))
        found = (number for number in needed if self._group_of[number] <= group)
        return list(dict.fromkeys(found))

    def _look(self) -> bool:
        rows = next(self._orders, None)
        if rows is None:
            return False
        shards = np.unique(self._find(rows)).tolist()
        groups = [self._group_of[number] for number in shards]
        self._waiting.append(_Batch(rows, shards, (min(groups), max(groups))))
        return True


def _close(shard: Future[_Shard]) -> None:
    if not shard.cancelled() and shard.exception() is None:
        shard.result().held.close()
