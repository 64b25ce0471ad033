"""A split as a Ray Dataset, for `map_batches` and everything else that Ray Data does.

    prepared.dataset("train").map_batches(function, batch_format="numpy")

Each read task maps the store's files on its own node and makes Arrow columns over them without a
copy: `features` is a tensor column, or a list of bytes' numbers in the shape of the sample.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Protocol

import pyarrow as pa
import ray.data
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from nets.spec import TensorSpec

_BLOCK_BYTES = 64 * 2**20


class Split(Protocol):
    """What is read of a `workbench.bridge.Split`."""

    @property
    def num_rows(self) -> int: ...

    @property
    def spec(self) -> TensorSpec: ...

    def open(self) -> Any: ...


def to_dataset(split: Split) -> ray.data.Dataset:
    """The rows of a split, in their order: features (*spec.shape), label, length, weight."""
    return ray.data.read_datasource(_Store(split))


class _Store(Datasource):
    def __init__(self, split: Split) -> None:
        super().__init__()
        self._split = split

    def estimate_inmemory_data_size(self) -> int:
        return self._split.num_rows * self._split.spec.num_bytes

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, **_: Any
    ) -> list[ReadTask]:
        rows, size = self._split.num_rows, max(1, self._split.spec.num_bytes)
        each = max(1, min(-(-rows // max(1, parallelism)), _BLOCK_BYTES // size))
        tasks = []
        for start in range(0, rows, each):
            stop = min(rows, start + each)
            facts = BlockMetadata(
                num_rows=stop - start,
                size_bytes=(stop - start) * size,
                input_files=None,
                exec_stats=None,
            )
            read = functools.partial(_read, self._split, start, stop)
            tasks.append(ReadTask(read, facts, per_task_row_limit=per_task_row_limit))
        return tasks


def _read(split: Split, start: int, stop: int) -> Iterator[pa.Table]:
    from ray.data.extensions import ArrowTensorArray

    with split.open() as rows:
        arrays = rows.read(start, stop)
    yield pa.table(
        {
            name: ArrowTensorArray.from_numpy(values) if values.ndim > 1 else pa.array(values)
            for name, values in arrays.items()
        }
    )
