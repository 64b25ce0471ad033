"""Canonical rows as Arrow files, written by Spark's tasks where they run.

The half of the way to Ray that happens in Spark's Python workers: no Ray and no torch here. What a
task is sent, it writes as it comes, one file per split, so neither its memory nor the executor's
heap ever holds more than a batch.
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
"""Of the free memory disk: Ray's object store, which the rows go to, lives there too."""

_PIECE_BYTES = 64 * 2**20
"""A file is closed at this size, so that a block of a Dataset is never much larger."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Rows of one split in a file."""

    path: str
    host: str
    """Name of the machine that has the file; empty where all of them see it."""
    split: str
    rows: int


def write_pieces(
    batches: Iterator[pa.RecordBatch], folder: str, num_bytes: int, shared: bool
) -> Iterator[pa.RecordBatch]:
    """Write a task's rows and say where they are, as rows of `SCHEMA`.

    Args:
        batches: canonical rows with `split`.
        folder: where to, with `shared`; otherwise the name of a folder on this machine.
        num_bytes: of all tasks' rows together: decides between memory and disk.
        shared: the folder is one that every machine sees.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    place = Path(folder) if shared else local_folder(folder, num_bytes)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    found: list[Piece] = []
    host = "" if shared else socket.gethostname()
    with ExitStack() as stack:
        open_files: dict[str, _File] = {}
        for batch in batches:
            column = batch.column("split")
            splits = pc.unique(column).to_pylist()
            for split in splits:
                rows = batch if len(splits) == 1 else batch.filter(pc.equal(column, split))
                file = open_files.get(split)
                if file is None:
                    file = open_files[split] = stack.enter_context(_File(place, split, rows.schema))
                file.write(rows)
                if file.num_bytes >= _PIECE_BYTES:
                    found.append(open_files.pop(split).close(host))
        found += [file.close(host) for file in open_files.values()]
    if found:
        yield pa.RecordBatch.from_pylist([asdict(piece) for piece in found])


def local_folder(name: str, num_bytes: int) -> Path:
    """A folder of this machine: in memory, if the bytes are a small part of what is free there."""
    place = MEMORY / name
    if place.is_dir():
        return place
    try:
        roomy = shutil.disk_usage(MEMORY).free * _MEMORY_SHARE > num_bytes
    except OSError:
        roomy = False
    return place if roomy else Path(tempfile.gettempdir()) / name


def remove(name: str) -> None:
    """What `write_pieces` left on this machine under this folder's name."""
    for parent in (MEMORY, Path(tempfile.gettempdir())):
        shutil.rmtree(parent / name, ignore_errors=True)


def new_name() -> str:
    """A folder's name that says whose it is, so that what a killed process left can be told."""
    return f"workbench-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"


def sweep_up() -> None:
    """Remove what processes of this machine that are no more have left."""
    import psutil

    for parent in (MEMORY, Path(tempfile.gettempdir())):
        for left in parent.glob(f"workbench-{socket.gethostname()}-*-*"):
            pid = left.name.split("-")[-2]
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(left, ignore_errors=True)


class _File:
    """An Arrow file of one split, as it is written."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema) -> None:
        import pyarrow as pa

        # A name of its own for each attempt: Spark may run a task twice.
        self.path = folder / f"{uuid.uuid4().hex}.arrow"
        self.split = split
        self.rows = self.num_bytes = 0
        self._sink = pa.OSFile(str(self.path), "wb")
        self._writer = pa.ipc.new_file(self._sink, schema)

    def write(self, rows: pa.RecordBatch) -> None:
        self._writer.write_batch(rows)
        self.rows += rows.num_rows
        self.num_bytes += rows.nbytes

    def close(self, host: str) -> Piece:
        self._writer.close()
        self._sink.close()
        return Piece(path=str(self.path), host=host, split=self.split, rows=self.rows)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: Any) -> None:
        if not self._sink.closed:
            self._sink.close()
