"""Arrays of this process in the prepared store, without Spark."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from nets.spec import TensorSpec
from workbench.bridge import kept, shards
from workbench.bridge.arrays import Arrays
from workbench.bridge.prepared import Prepared, find, finish_shared, finish_store
from workbench.bridge.shards import StoredShards, count_shards, spread, write_shard
from workbench.bridge.shared import new_shared_part
from workbench.bridge.store import write_split


def store_arrays(
    splits: Mapping[str, Arrays], spec: TensorSpec, *, storage: str | None = None, **facts: Any
) -> Prepared:
    """Write arrays to the store, under a fingerprint of their content.

    Args:
        splits: by name (train, validation, test): features (n, *spec.shape), label (n,) or
            (n, outputs), and optionally length, weight and key (n,), by which the rows are ordered.
        storage: a folder or URL that all machines reach; the store lies there, in shards. None: below
            WORKBENCH_HOME.
        facts: the other fields of `Prepared`; `labels`, `num_outputs`, `statistics` and
            `class_counts` have no default.
    """
    digest = hashlib.sha256(repr((spec, sorted(facts.items(), key=str))).encode())
    for name, arrays in sorted(splits.items()):
        for column, values in sorted(arrays.items()):
            digest.update(f"{name} {column} ".encode() + np.ascontiguousarray(values).tobytes())
    fingerprint = digest.hexdigest()[:16]
    if (found := find(fingerprint, storage)) is not None:
        return found
    prepared = Prepared(splits={}, spec=spec, fingerprint=fingerprint, **facts)
    if storage is not None:
        return _store_shards(storage, splits, spec, prepared)
    with kept.new_part() as part:
        stored = {
            name: write_split(part / name, [_to_table(arrays, spec)], spec, sort=True)
            for name, arrays in splits.items()
        }
        return finish_store(part, prepared, stored)


def _store_shards(
    storage: str, splits: Mapping[str, Arrays], spec: TensorSpec, prepared: Prepared
) -> Prepared:
    with new_shared_part(storage, prepared.fingerprint, list(splits)) as part:
        stored = {}
        for name, arrays in splits.items():
            table = _to_table(arrays, spec)
            num_shards = count_shards(len(table), spec.num_bytes)
            stored[name] = StoredShards(
                shards=tuple(
                    write_shard(part.files, part.path, name, number, rows, spec)
                    for number, rows in spread(table, num_shards)
                ),
                window=shards.WINDOW,
            )
        return finish_shared(part, prepared, stored)


def _to_table(arrays: Arrays, spec: TensorSpec) -> pa.Table:
    rows = len(arrays["features"])
    samples = np.ascontiguousarray(arrays["features"], spec.dtype)
    offsets = np.arange(rows + 1, dtype=np.int64) * spec.num_bytes
    columns = {
        "features": pa.Array.from_buffers(
            pa.large_binary(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(samples)]
        )
    }
    for name, values in arrays.items():
        if name == "key":
            columns[name] = pa.array(values.tolist(), pa.string())
        elif name != "features":
            columns[name] = pa.array(list(values) if values.ndim > 1 else values)
    if "key" not in columns:
        columns["key"] = pa.array([f"{i:012d}" for i in range(rows)], pa.string())
    return pa.table(columns)
