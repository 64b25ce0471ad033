"""Canonical Arrow blocks as contiguous arrays.

A canonical row carries its sample as raw bytes, so an Arrow block of n rows holds one contiguous
buffer of n * spec.num_bytes. A view makes it an array. There is no Python loop over rows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nets.spec import TensorSpec
from workbench.errors import DataError

COLUMNS = ("features", "label", "length", "weight")

Arrays = dict[str, np.ndarray]
"""Column name to array: features (n, *spec.shape), label (n,) or (n, k), length (n,), weight (n,), key (n,)."""


def read_shard(path: str) -> pa.Table:
    """An Arrow file, mapped; as a Ray task, Ray copies the result to its object store."""
    return pa.ipc.open_file(pa.memory_map(path)).read_all()


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
    if pa.types.is_fixed_size_binary(chunk.type) and chunk.type.byte_width == spec.num_bytes:
        start = chunk.offset * spec.num_bytes
        content = np.frombuffer(chunk.buffers()[1], np.uint8)
        content = content[start : start + len(chunk) * spec.num_bytes]
        return content.view(spec.dtype).reshape(len(chunk), *spec.shape)
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
