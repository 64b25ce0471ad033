"""Canonical rows as Arrow files, written by Spark's tasks where they run.

This runs in Spark's Python workers: no Ray and no torch here. A task writes each batch as it comes,
to one file per split, so neither its memory nor the executor's heap holds more than a batch.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY = Path("/dev/shm")
"""A folder in memory, where the machine has one."""

SCHEMA = "path string, host string, split string, rows long"

_MEMORY_SHARE = 0.25
"""Of the free bytes in MEMORY that shards may fill: Ray's object store lies there too."""

_SHARD_BYTES = 64 * 2**20
"""A file is closed at this size, so that a block of a Dataset is never much larger."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A file with rows of one split."""

    path: str
    host: str
    """Name of the machine that has the file; empty where every machine sees it."""
    split: str
    rows: int


def write_shards(
    batches: Iterator[pa.RecordBatch], folder: str, num_bytes: int, shared: bool
) -> Iterator[pa.RecordBatch]:
    """Write a task's rows, and yield the shards as rows of `SCHEMA`.

    Args:
        batches: canonical rows with `split`.
        folder: the path of a folder, with `shared`; otherwise the name of a folder on this machine.
        num_bytes: of all tasks' rows together; few are written to memory, many to disk.
        shared: every machine sees the folder.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parent = Path(folder) if shared else choose_folder(folder, num_bytes)
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shards: list[Shard] = []
    host = "" if shared else socket.gethostname()
    with ExitStack() as stack:
        open_files: dict[str, _ShardFile] = {}
        for batch in batches:
            column = batch.column("split")
            splits = pc.unique(column).to_pylist()
            for split in splits:
                rows = batch if len(splits) == 1 else batch.filter(pc.equal(column, split))
                file = open_files.get(split)
                if file is None:
                    file = open_files[split] = stack.enter_context(
                        _ShardFile(parent, split, rows.schema)
                    )
                file.write(rows)
                if file.num_bytes >= _SHARD_BYTES:
                    shards.append(open_files.pop(split).close(host))
        shards += [file.close(host) for file in open_files.values()]
    if shards:
        yield pa.RecordBatch.from_pylist([asdict(shard) for shard in shards])


def choose_folder(name: str, num_bytes: int) -> Path:
    """A folder of this machine: in memory if the bytes fill a small part of what is free there."""
    folder = MEMORY / name
    if folder.is_dir():
        return folder
    try:
        has_room = shutil.disk_usage(MEMORY).free * _MEMORY_SHARE > num_bytes
    except OSError:
        has_room = False
    return folder if has_room else Path(tempfile.gettempdir()) / name


def remove_folder(name: str) -> None:
    """Remove the shards that tasks wrote on this machine to the folder of this name."""
    for parent in (MEMORY, Path(tempfile.gettempdir())):
        shutil.rmtree(parent / name, ignore_errors=True)


def create_folder_name() -> str:
    """A new name with this process's id, by which `remove_leftovers` finds folders of ended processes."""
    return f"workbench-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"


def remove_leftovers() -> None:
    """Remove the shards of processes of this machine that have ended."""
    import psutil

    for parent in (MEMORY, Path(tempfile.gettempdir())):
        for folder in parent.glob(f"workbench-{socket.gethostname()}-*-*"):
            pid = folder.name.split("-")[-2]
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


class _ShardFile:
    """A shard that is being written."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema) -> None:
        import pyarrow as pa

        # Each attempt has a name of its own: Spark may run a task twice.
        self.path = folder / f"{uuid.uuid4().hex}.arrow"
        self.split = split
        self.rows = self.num_bytes = 0
        self._sink = pa.OSFile(str(self.path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema)

    def write(self, rows: pa.RecordBatch) -> None:
        self._writer.write_batch(rows)
        self.rows += rows.num_rows
        self.num_bytes += rows.nbytes

    def close(self, host: str) -> Shard:
        self._writer.close()
        self._sink.close()
        return Shard(path=str(self.path), host=host, split=self.split, rows=self.rows)

    def __enter__(self) -> _ShardFile:
        return self

    def __exit__(self, *_: Any) -> None:
        if not self._sink.closed:
            self._sink.close()
