"""The prepared store: a folder per fingerprint with rows that can be mapped.

prepared/<fingerprint>/
    store.json              what lies here, with checksums; see `Description`
    statistics.npz          figures of the training split, where the preparation needs them
    targets.npz             of its measured labels
    train/features.bin      samples back to back, raw bytes of `spec.num_bytes` each
    train/label.bin         class indices (int64), or values (float32 or float64)
    train/length.bin, weight.bin, where the data has them
    train/index.bin         for each row, in the order of the keys, its place in the files; absent
                            where the files are in that order themselves
    train/key.arrow         the rows' names, in order

A folder is written under another name and renamed when it is whole, so it is whole or absent. Every
process of a machine maps the same files: the page cache is the only copy in memory.
"""

from __future__ import annotations

import json
import mmap
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nets.spec import TensorSpec
from workbench.bridge.arrays import Arrays, read_shard, to_arrays
from workbench.errors import DataError

DESCRIPTION = "store.json"

VERSION = 1
"""Raised when the files come to mean something else."""

_PIECE_BYTES = 64 * 2**20
"""A checksum covers this much of a file."""


@dataclass(frozen=True, kw_only=True)
class StoredColumn:
    """A column of a split: `rows` values of one type and shape, back to back in one file."""

    dtype: str
    shape: tuple[int, ...]
    """Of one row's value."""


@dataclass(frozen=True, kw_only=True)
class StoredSplit:
    """The files of a split."""

    rows: int
    columns: dict[str, StoredColumn]
    sums: dict[str, list[int]]
    """File name to the CRC-32 of each piece of 64 MiB."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of `store.json`."""

    fingerprint: str
    code: str
    """Digest of the program that wrote the store; another program does not read it."""
    prepared: dict[str, Any]
    """Spec, labels, text encoding and record of the data."""
    splits: dict[str, StoredSplit]
    version: int = VERSION
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells this preparation from another one of the same fingerprint."""

    @property
    def num_bytes(self) -> int:
        """Bytes of all rows' columns."""
        return sum(
            split.rows * column_bytes(column)
            for split in self.splits.values()
            for column in split.columns.values()
        )


def column_bytes(column: StoredColumn) -> int:
    """Bytes of one row's value."""
    return int(np.dtype(column.dtype).itemsize * np.prod(column.shape, dtype=np.int64))


def write_split(
    folder: Path, blocks: Sequence[pa.Table | str], spec: TensorSpec, *, sort: bool
) -> StoredSplit:
    """Write the rows of all blocks.

    The rows count in the order of their keys, so that the same data gives the same rows whatever
    partitions Spark made.

    Args:
        blocks: Arrow tables, or paths of Arrow files, which are mapped.
        sort: put the rows into that order in the files too: single writes all over the files, which
            is slow where they are larger than the memory. Otherwise they are written in the order
            they come in, with an index beside them.

    Raises:
        DataError: a sample does not have exactly `spec.num_bytes` bytes.
    """
    folder.mkdir(parents=True)
    order = _write_keys(folder, blocks)
    place = np.arange(len(order))
    if sort:
        place[order] = np.arange(len(order))
    else:
        order.astype(np.int64).tofile(folder / "index.bin")
    columns: dict[str, StoredColumn] = {}
    files: dict[str, np.ndarray] = {}
    start = 0
    for block in blocks:
        for batch in _open(block).to_batches():
            where: Any = slice(start, start + batch.num_rows)
            for name, values in to_arrays(pa.Table.from_batches([batch]), spec).items():
                if name not in files:
                    columns[name] = StoredColumn(dtype=str(values.dtype), shape=values.shape[1:])
                    shape = (len(order), *values.shape[1:])
                    path = folder / f"{name}.bin"
                    files[name] = np.memmap(path, values.dtype, mode="w+", shape=shape)
                files[name][place[where] if sort else where] = values
            start += batch.num_rows
    del files
    sums = {path.name: check_sums(path) for path in sorted(folder.iterdir())}
    return StoredSplit(rows=len(order), columns=columns, sums=sums)


def write_description(folder: Path, description: Description) -> None:
    """The last file of a store."""
    (folder / DESCRIPTION).write_text(json.dumps(asdict(description)))


def read_description(folder: Path) -> Description | None:
    """What a store says about itself; None where there is none, or one of another version."""
    try:
        content = json.loads((folder / DESCRIPTION).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        return None
    splits = {}
    for name, split in content.pop("splits").items():
        columns = {
            column: StoredColumn(dtype=facts["dtype"], shape=tuple(facts["shape"]))
            for column, facts in split["columns"].items()
        }
        splits[name] = StoredSplit(rows=split["rows"], columns=columns, sums=split["sums"])
    return Description(**content, splits=splits)


def list_files(description: Description) -> Iterator[tuple[str, list[int]]]:
    """Each file of the splits, relative to the store, with its checksums."""
    for name, split in description.splits.items():
        for file, sums in split.sums.items():
            yield f"{name}/{file}", sums


def find_damage(folder: Path, description: Description) -> str | None:
    """The first file that is gone or has other bytes than were written; None where all is well."""
    for name, sums in list_files(description):
        try:
            if check_sums(folder / name) != sums:
                return name
        except OSError:
            return name
    return None


def check_sums(path: Path) -> list[int]:
    """The CRC-32 of each piece of a file."""
    sums = []
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            sums.append(zlib.crc32(piece))
    return sums


class MappedFile:
    """A file of equal values, mapped: bytes are read when they are used."""

    def __init__(self, path: Path, column: StoredColumn, rows: int) -> None:
        self.row_bytes = column_bytes(column)
        expected = rows * self.row_bytes
        if path.stat().st_size != expected:
            raise DataError(
                f"{path} of the prepared store has {path.stat().st_size:,} bytes where {expected:,} "
                "were written: it was changed. Remove the data with `workbench data remove`, and it "
                "is prepared again."
            )
        self.map: mmap.mmap | None = None
        if expected:
            with path.open("rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        content = np.frombuffer(self.map or b"", column.dtype)
        self.values = content.reshape(rows, *column.shape)

    def read_soon(self, rows: np.ndarray) -> None:
        """Have the system read these rows while something else is computed.

        Args:
            rows: (k,) row numbers, ascending.
        """
        if self.map is None:
            return
        page = mmap.PAGESIZE
        starts = rows * self.row_bytes // page * page
        for start, stop in zip(
            starts.tolist(), ((rows + 1) * self.row_bytes).tolist(), strict=True
        ):
            self.map.madvise(mmap.MADV_WILLNEED, start, stop - start)

    def expect_random_reads(self) -> None:
        """Have the system read no more around a row than the row."""
        if self.map is not None:
            self.map.madvise(mmap.MADV_RANDOM)


def read_keys(folder: Path) -> np.ndarray:
    """The rows' names, in order."""
    with pa.memory_map(str(folder / "key.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
        return table["key"].to_numpy(zero_copy_only=False).astype(str)


def _write_keys(folder: Path, blocks: Sequence[pa.Table | str]) -> np.ndarray:
    """Write the keys in order; returns (n,) the place of each row, in that order, among the blocks."""
    chunks = [chunk for block in blocks for chunk in _open(block)["key"].chunks]
    keys = pa.chunked_array(chunks, pa.string())
    order = pc.sort_indices(keys)
    table = pa.table({"key": keys.take(order)})
    with (
        pa.OSFile(str(folder / "key.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    result: np.ndarray = order.to_numpy()
    return result


def _open(block: pa.Table | str) -> pa.Table:
    return read_shard(block) if isinstance(block, str) else block


def open_columns(folder: Path, split: StoredSplit) -> tuple[MappedFile, Arrays, np.ndarray | None]:
    """The samples, mapped; the other columns, read; and the index. All in the order of the files."""
    samples = MappedFile(folder / "features.bin", split.columns["features"], split.rows)
    others: Arrays = {}
    for name, column in split.columns.items():
        if name != "features":
            values = np.fromfile(folder / f"{name}.bin", column.dtype)
            others[name] = values.reshape(split.rows, *column.shape)
    path = folder / "index.bin"
    return samples, others, np.fromfile(path, np.int64) if path.exists() else None
