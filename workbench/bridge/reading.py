"""Batches of a split on a device.

Rows are gathered straight from the mapped files, which costs what a gather from a tensor in memory
costs as long as the system has the pages. Where a split is larger than the memory, the system is asked
for the rows of the next batches ahead. Shards of `cluster.storage` are fetched ahead, and a thread gathers
their rows. On a GPU the split lies whole if it fits; otherwise a thread gathers into pinned memory,
and the copy runs while the GPU computes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from nets.batches import (
    Batch,
    Resample,
    Share,
    batches,
    map_tensors,
    share_in_order,
    shuffled_rows,
    take,
)
from nets.order import WindowedOrder
from workbench.bridge.open_shards import OpenShards
from workbench.bridge.prepared import Split, labels_for_order, to_batch
from workbench.memory import available_memory

T = TypeVar("T")

_MEMORY_SHARE = 0.5
"""Of the free memory of the machine or container: a split that is larger is not expected to stay in the page cache."""

_DEVICE_SHARE = 0.5
"""Of a GPU's free memory: a smaller split lies there whole."""

_AHEAD = 4
"""Batches that are gathered ahead."""

_ASKED = 16
"""Batches that the system is asked for ahead of that: a disk answers many requests at a time."""


class SplitReader:
    """Gives the rows of a split as batches on a device."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self.split, self.device = split, device
        self.seconds_waited = 0.0
        """How long the reader's user waited for rows: for a thread that gathers them, or while they
        were gathered."""
        self.rows_read = 0
        self._rows = split.open()
        self._reads_ahead = False
        self._data: Batch | None = None
        """The whole split, mapped or on the device."""
        self._index: Tensor | None = None
        """Where the rows are in `_data`; None: in their order."""
        if device.type == "cuda" and _fits(split.num_bytes, device):
            self._data = map_tensors(to_batch(self._rows.read()), lambda x: x.to(device))
        elif not isinstance(self._rows, OpenShards):
            self._reads_ahead = split.num_bytes > _MEMORY_SHARE * available_memory()
            if self._reads_ahead:
                self._rows.samples.expect_random_reads()
            self._reads_ahead |= device.type == "cuda"
            self._data = self._rows.tensors()
            if self._rows.index is not None:
                self._index = torch.from_numpy(self._rows.index)

    @property
    def shards(self) -> OpenShards | None:
        """The shards that rows are read from; None: the rows are in files of this machine, or on the
        device."""
        return self._rows if self._data is None and isinstance(self._rows, OpenShards) else None

    def shuffled(
        self,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        rank: int = 0,
        world_size: int = 1,
        resample: Resample = "none",
        first: int = 0,
    ) -> Iterator[Batch]:
        """A training epoch, from batch `first` on; see `nets.batches.shuffled_rows`."""
        order = shuffled_rows(
            self.split.num_rows,
            batch_size,
            seed=seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
            resample=resample,
            labels=labels_for_order(self._rows) if resample != "none" else None,
            shards=self.split.shards,
            first=first,
        )
        if self.shards is not None:
            windows = WindowedOrder(self.shards.shards, seed=seed, epoch=epoch).windows
            return self._read_shards(self.shards, order, windows)
        return self._read(order)

    def in_order(self, batch_size: int, *, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """An evaluation: consecutive rows, each once over all ranks."""
        if self._data is not None and self._index is None and not self._reads_ahead:
            return batches(
                self._data,
                batch_size,
                seed=0,
                epoch=0,
                shuffle=False,
                rank=rank,
                world_size=world_size,
            )
        start, stop = share_in_order(self.split.num_rows, rank, world_size)
        cuts = range(start, stop, batch_size)
        order = ((torch.arange(n, min(n + batch_size, stop)), None) for n in cuts)
        if self.shards is not None:
            first, last = self.shards.find(np.array([start, max(start, stop - 1)])).tolist()
            each = [[number] for number in range(first, last + 1)]
            return self._read_shards(self.shards, order, each)
        return self._read(order)

    def _read(self, order: Iterable[tuple[Tensor, Share | None]]) -> Iterator[Batch]:
        assert self._data is not None
        in_files = ((self._place(rows), share) for rows, share in order)
        if not self._reads_ahead:
            for rows, share in in_files:
                began = time.perf_counter()
                batch = take(self._data, rows.to(self._data.features.device))
                self.seconds_waited += time.perf_counter() - began
                self.rows_read += len(rows)
                yield batch._replace(share=share)
            return
        yield from self._wait_for(self._gather_ahead(in_files))

    def _read_shards(
        self,
        shards: OpenShards,
        order: Iterable[tuple[Tensor, Share | None]],
        groups: Sequence[Sequence[int]],
    ) -> Iterator[Batch]:
        """
        Args:
            groups: the shards, in the order in which the rows need them.
        """

        def gather() -> Generator[Batch]:
            shares = deque[Share | None]()

            def numbers() -> Iterator[np.ndarray]:
                for rows, share in order:
                    shares.append(share)
                    yield rows.numpy()

            for arrays in shards.gather_ahead(numbers(), groups):
                yield self._pin(to_batch(arrays)._replace(share=shares.popleft()))

        return self._wait_for(gather())

    def _wait_for(self, batches: Generator[Batch]) -> Iterator[Batch]:
        """The batches; how long each was waited for is counted.

        A thread gathers them for a GPU only. On a CPU it would take its share of the net's cores: a quarter of
        the rows/s (measured, of 4 GB of rows with 1 GB of memory, and of shards). The system reads
        ahead, and shards are fetched ahead, all the same.
        """
        if self.device.type == "cuda":
            batches = run_ahead(batches, _AHEAD)
        with closing(batches) as gathered:
            while True:
                began = time.perf_counter()
                ready = next(gathered, None)
                self.seconds_waited += time.perf_counter() - began
                if ready is None:
                    return
                self.rows_read += len(ready.label)
                yield ready

    def _gather_ahead(self, order: Iterable[tuple[Tensor, Share | None]]) -> Generator[Batch]:
        """Ask the system for the rows of some batches, and gather the first of them."""
        assert not isinstance(self._rows, OpenShards)
        waiting: deque[tuple[Tensor, Share | None]] = deque()
        for rows, share in order:
            self._rows.samples.read_soon(rows.sort().values.numpy())
            waiting.append((rows, share))
            if len(waiting) > _ASKED:
                yield self._gather(*waiting.popleft())
        while waiting:
            yield self._gather(*waiting.popleft())

    def _gather(self, rows: Tensor, share: Share | None) -> Batch:
        assert self._data is not None
        return self._pin(take(self._data, rows)._replace(share=share))

    def _pin(self, batch: Batch) -> Batch:
        return map_tensors(batch, Tensor.pin_memory) if self.device.type == "cuda" else batch

    def _place(self, rows: Tensor) -> Tensor:
        """Where the rows are in the files."""
        return rows if self._index is None else self._index[rows]


def run_ahead(items: Iterator[T], depth: int) -> Generator[T]:
    """The items, made by a thread that is up to `depth` of them ahead."""
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    over = threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put((item, None)):
                    return
        except BaseException as raised:  # the consumer raises it
            error = raised
        put((None, error))

    def put(entry: tuple[T | None, BaseException | None]) -> bool:
        while not over.is_set():
            with suppress(queue.Full):
                ready.put(entry, timeout=0.1)
                return True
        return False

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        over.set()
        thread.join()


def _fits(num_bytes: int, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return num_bytes < _DEVICE_SHARE * free
