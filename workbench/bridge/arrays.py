"""Canonical Arrow blocks as contiguous arrays.

A canonical row carries its sample as raw bytes, so an Arrow block of n rows holds one contiguous
buffer of n * spec.num_bytes. A view makes it an array, and one copy makes the arrays of a split.
There is no Python loop over rows. The rows of a split are sorted by key, so that the same data is
the same tensor whatever partitions Spark made.

No torch and no Ray here: a task that gathers arrays would spend most of its time importing them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nets.spec import TensorSpec
from workbench.errors import DataError

COLUMNS = ("features", "label", "length", "weight")

Arrays = dict[str, np.ndarray]
"""Column name to array: features (n, *spec.shape), label (n,) or (n, k), length (n,), weight (n,), key (n,)."""


def gather_splits(
    counts: Sequence[int], spec: TensorSpec, *blocks: str | pa.Table
) -> Iterator[Arrays | None]:
    """The arrays of each split, one after another, and None at the end.

    Args:
        counts: the number of blocks of the first split, of the second, ...
        blocks: Arrow tables, or paths of files on this machine.
    """
    rest = iter(blocks)
    for count in counts:
        part = itertools.islice(rest, count)
        yield gather_split(spec, [open_shard(b) if isinstance(b, str) else b for b in part])
    yield None


def gather_split(spec: TensorSpec, blocks: Sequence[pa.Table]) -> Arrays:
    """The rows of all blocks in the order of their keys: one copy of the bytes."""
    keys = pa.chunked_array([c for block in blocks for c in block["key"].chunks], pa.string())
    order = pc.sort_indices(keys).to_numpy()
    position = np.empty_like(order)
    position[order] = np.arange(len(order), dtype=order.dtype)
    arrays: Arrays = {"key": keys.take(pa.array(order)).to_numpy(zero_copy_only=False).astype(str)}
    start = 0
    for batch in itertools.chain.from_iterable(block.to_batches() for block in blocks):
        rows = position[start : start + batch.num_rows]
        for column, values in to_arrays(pa.Table.from_batches([batch]), spec).items():
            if column not in arrays:
                arrays[column] = np.empty((len(order), *values.shape[1:]), values.dtype)
            arrays[column][rows] = values
        start += batch.num_rows
    return arrays


def open_shard(path: str) -> pa.Table:
    """An Arrow file, mapped: bytes are read when they are used."""
    return pa.ipc.open_file(pa.memory_map(path)).read_all()


def read_shard(path: str) -> pa.Table:
    """The same as a Ray task: Ray copies the result to its object store."""
    return open_shard(path)


def to_arrays(table: pa.Table, spec: TensorSpec) -> Arrays:
    """The columns of a canonical Arrow table as arrays; features are views where Arrow allows.

    Raises:
        DataError: a sample does not have exactly `spec.num_bytes` bytes.
    """
    arrays: Arrays = {}
    for column in COLUMNS:
        if column not in table.column_names:
            continue
        if column == "features":
            arrays[column] = _to_features(table[column], spec)
        elif pa.types.is_list(table.schema.field(column).type):
            values = table[column].combine_chunks()
            flat = values.flatten().to_numpy(zero_copy_only=False)
            width = len(flat) // max(1, len(values))
            arrays[column] = flat.reshape(len(values), width).astype(np.float32)
        else:
            arrays[column] = table[column].to_numpy()
    return arrays


def _to_features(column: pa.ChunkedArray, spec: TensorSpec) -> np.ndarray:
    views = [_view(chunk, spec) for chunk in column.chunks if len(chunk)]
    if not views:
        return np.empty((0, *spec.shape), spec.dtype)
    return views[0] if len(views) == 1 else np.concatenate(views)


def _view(chunk: pa.Array, spec: TensorSpec) -> np.ndarray:
    """n samples as an (n, *shape) view of the Arrow buffer."""
    width = np.int64 if pa.types.is_large_binary(chunk.type) else np.int32
    _, offsets_buffer, values = chunk.buffers()
    offsets = np.frombuffer(offsets_buffer, width)[chunk.offset : chunk.offset + len(chunk) + 1]
    sizes = np.diff(offsets)
    if chunk.null_count or (sizes != spec.num_bytes).any():
        wrong = int(sizes[sizes != spec.num_bytes][0]) if not chunk.null_count else "null"
        raise DataError(
            f"Every sample must be {spec.num_bytes} bytes ({spec.shape} {spec.dtype}), got one of "
            f"{wrong}. Encode the column `features` to the shape that the spec states."
        )
    flat = np.frombuffer(values, np.uint8)[offsets[0] : offsets[-1]]
    return flat.view(spec.dtype).reshape(len(chunk), *spec.shape)
