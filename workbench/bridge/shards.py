"""A prepared store in a place that all machines reach, as shards.

<cluster.storage>/prepared/<fingerprint>-<code>/
    store.json                  what lies here; see `SharedDescription`. Written last.
    <id>/statistics.npz, targets.npz
    <id>/train/000000-<attempt>.arrow, ...
                                an Arrow file of one record batch: features (fixed-size binary), label,
                                length, weight, key

Rows are spread over the shards by a hash of their keys, so that each shard is a random sample of its
split. The code in the name is the digest of the program: two versions of it do not meet each other's
data. Each preparation writes below an id of its own, so that two at once do not meet either.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from workbench.bridge.arrays import to_arrays

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

    from nets.spec import TensorSpec

SHARD_BYTES = 64 * 2**20
"""Bytes of samples that a shard has about."""

WINDOW = 8
"""Shards whose rows are mixed in training; see `nets.order.WindowedOrder`."""

VERSION = 2

RANK_DIGITS = 15
"""Hex digits of a row's hash: 60 bits, which fit a signed number."""


@dataclass(frozen=True, kw_only=True)
class StoredShard:
    """One file."""

    name: str
    """Relative to the preparation's folder."""
    rows: int
    num_bytes: int
    crc: int
    """CRC-32 of the file."""
    class_counts: tuple[int, ...] | None = None
    """Rows of each class up to the last that has any; None where labels are no classes."""

    @staticmethod
    def load(facts: Mapping[str, Any]) -> StoredShard:
        """From JSON, or a row of Spark: tuples have become lists there."""
        counts = facts["class_counts"]
        return StoredShard(
            **dict(facts) | {"class_counts": None if counts is None else tuple(counts)}
        )


@dataclass(frozen=True, kw_only=True)
class StoredShards:
    """The files of a split. Rows are numbered through the shards, in this order."""

    shards: tuple[StoredShard, ...]
    window: int

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def num_bytes(self) -> int:
        """Of the files."""
        return sum(shard.num_bytes for shard in self.shards)


@dataclass(frozen=True, kw_only=True)
class SharedDescription:
    """The content of `store.json`."""

    fingerprint: str
    code: str
    prepared: dict[str, Any]
    """As in `store.Description`."""
    splits: dict[str, StoredShards]
    version: int = VERSION
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The preparation, and the folder of its files."""

    def dump(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def parse(content: bytes) -> SharedDescription | None:
        """None: not a description, or of another version."""
        try:
            facts = json.loads(content)
        except ValueError:
            return None
        if not isinstance(facts, dict) or facts.get("version") != VERSION:
            return None
        splits = {
            name: StoredShards(
                shards=tuple(StoredShard.load(shard) for shard in split["shards"]),
                window=split["window"],
            )
            for name, split in facts.pop("splits").items()
        }
        return SharedDescription(**facts, splits=splits)


def count_shards(rows: int, row_bytes: int) -> int:
    """Into how many shards a split is cut."""
    return max(1, -(-rows * row_bytes // SHARD_BYTES))


def rank_key(key: str) -> int:
    """The number that decides a row's shard, and its place there: 60 bits of the key's MD5.

    `preparation` computes the same in Spark.
    """
    digest = hashlib.md5(f"shard {key}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:RANK_DIGITS], 16)


def spread(table: pa.Table, num_shards: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each shard that has any, in the order that they have there."""
    keys = table["key"].to_pylist()
    ranks = np.fromiter((rank_key(key) for key in keys), np.int64, len(keys))
    order = np.lexsort((np.array(keys), ranks, ranks % num_shards))
    numbers = (ranks % num_shards)[order]
    if not keys:
        yield 0, table
    for number in range(num_shards):
        start, stop = np.searchsorted(numbers, (number, number + 1))
        if start < stop:
            yield number, table.take(pa.array(order[start:stop]))


def write_shard(
    files: FileSystem, folder: str, split: str, number: int, table: pa.Table, spec: TensorSpec
) -> StoredShard:
    """Write the rows of a shard as one file, under a name that no other attempt has.

    Args:
        folder: of the preparation; has a folder for the split.

    Raises:
        DataError: a sample does not have exactly `spec.num_bytes` bytes.
    """
    content = _to_file(table, spec)
    labels = table["label"].to_numpy()
    has_classes = labels.dtype == np.int64 and labels.min(initial=0) >= 0
    name = f"{split}/{number:06d}-{uuid.uuid4().hex[:12]}.arrow"
    with files.open_output_stream(f"{folder}/{name}") as out:
        out.write(content)
    return StoredShard(
        name=name,
        rows=table.num_rows,
        num_bytes=content.size,
        crc=zlib.crc32(content),
        class_counts=tuple(np.bincount(labels).tolist()) if has_classes else None,
    )


def open_table(content: pa.Buffer) -> pa.Table:
    """The rows of a shard, on the memory of its file."""
    return pa.ipc.open_file(pa.BufferReader(content)).read_all()


def read_labels(files: FileSystem, path: str, spec: TensorSpec) -> np.ndarray:
    """The labels of a shard; nothing else of its file is read."""
    with files.open_input_file(path) as file:
        with pa.ipc.open_file(file) as shard:
            column = shard.schema.get_field_index("label")
        options = pa.ipc.IpcReadOptions(included_fields=[column])
        with pa.ipc.open_file(file, options=options) as shard:
            return to_arrays(shard.read_all(), spec)["label"]


def _to_file(table: pa.Table, spec: TensorSpec) -> pa.Buffer:
    features = np.ascontiguousarray(to_arrays(table.select(["features"]), spec)["features"])
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(spec.num_bytes), table.num_rows, [None, pa.py_buffer(features)]
    )
    others = [name for name in table.column_names if name != "features"]
    columns: Sequence[Any] = [fixed, *(table[name].combine_chunks() for name in others)]
    batch = pa.RecordBatch.from_arrays(columns, names=["features", *others])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()
