"""Pictures or sounds in files of their own, opened by Spark's tasks in even parts.

Spark's own reader of files makes a task of every four small files: it counts 4 MB for opening each.
Here the driver lists the files and hands each task a list of paths, so that a task is worth its start.
"""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nets.spec import TensorSpec
from workbench.data import pictures, sounds
from workbench.data.canonical import CanonicalFrame
from workbench.data.encode import Encoding, Recipe
from workbench.data.frames import divide_rows
from workbench.data.rows import binary
from workbench.data.sources.archives import inflate

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_PART_FILES = 4000
_PART_BYTES = 64 * 2**20
"""Of files."""
_PART_SAMPLE_BYTES = 16 * 2**20
"""Of encoded samples."""
_SLICE_BYTES = 8 * 2**20
_SMALL_BYTES = 2 * 2**20
_SCHEMA = "features binary, label long, key string, split string, reason string, changes int"


@dataclass(frozen=True, slots=True)
class PictureFile:
    """Where a picture or sound is, and its row."""

    path: str
    """The file; for a picture in an archive, the archive."""
    key: str
    label: int
    """Class index."""
    split: str | None
    size: int
    """Bytes of the picture."""
    offset: int = 0
    """Where it begins in the file."""
    problem: str | None = None
    """Why it is a bad row; None: only opening it shows that."""
    deflated: bool = False
    """Whether it is compressed in a zip archive; `size` is of what lies there."""


def read_pictures(
    spark: SparkSession,
    files: Sequence[PictureFile],
    spec: TensorSpec,
    labels: tuple[str, ...],
) -> CanonicalFrame:
    """The pictures or sounds as rows; those that cannot be read are bad rows with reasons.

    `changes` (int) says what was done to each: bits of the `CHANGES` of `workbench.data.pictures` or
    `workbench.data.sounds`.
    """
    slots = spark.sparkContext.defaultParallelism
    parts = [pack(part) for part in cut_evenly(files, spec, slots)]
    lists = spark.createDataFrame(
        spark.sparkContext.parallelize([(part,) for part in parts], len(parts)),
        "files binary",
        verifySchema=False,
    )
    rows = lists.mapInArrow(lambda batches: open_parts(batches, spec), _SCHEMA)
    encoding: Encoding = "sounds" if spec.kind == "sound" else "pictures"
    recipe = Recipe(encoding=encoding, spec=spec, labels=labels, num_outputs=len(labels))
    splits = {file.split for file in files}
    canonical = divide_rows(rows, recipe, official_test="test" in splits)
    return replace(canonical, num_files=len(files), official_validation="validation" in splits)


def cut_evenly(
    files: Sequence[PictureFile], spec: TensorSpec, slots: int
) -> list[Sequence[PictureFile]]:
    """Consecutive files in parts of about the same work, small enough for a task."""
    sizes = np.array([file.size for file in files], np.float64)
    one = 1 / _PART_FILES + spec.num_bytes / _PART_SAMPLE_BYTES
    work = np.cumsum(sizes / _PART_BYTES + one)
    enough = int(np.ceil(work[-1]))
    if len(files) * spec.num_bytes > _SMALL_BYTES:
        enough = max(enough, 2 * slots)
    edges = np.searchsorted(work, work[-1] * np.arange(1, enough) / enough, side="right")
    bounds = np.unique(np.concatenate([[0], edges, [len(files)]]))
    return [files[start:end] for start, end in itertools.pairwise(bounds.tolist())]


def pack(files: Sequence[PictureFile]) -> bytes:
    """A part as bytes: Spark moves a list of 4,000 paths as one small value."""
    rows = [
        (f.path, f.key, f.label, f.split, f.size, f.offset, f.problem, f.deflated) for f in files
    ]
    return zlib.compress(json.dumps(rows).encode(), 1)


def open_parts(batches: Iterator[pa.RecordBatch], spec: TensorSpec) -> Iterator[pa.RecordBatch]:
    """The rows of packed parts, some megabytes at a time."""
    for batch in batches:
        for part in batch.column("files"):
            files = [PictureFile(*row) for row in json.loads(zlib.decompress(part.as_py()))]
            step = max(1, _SLICE_BYTES // spec.num_bytes)
            for start in range(0, len(files), step):
                yield _open_files(files[start : start + step], spec)


def _open_files(files: list[PictureFile], spec: TensorSpec) -> pa.RecordBatch:
    import pyarrow as pa

    samples = np.zeros((len(files), spec.num_bytes), np.uint8)
    failures: dict[int, str] = {}
    contents = _read_all(files, failures)
    decode_all = sounds.decode_all if spec.kind == "sound" else pictures.decode_all
    reasons, changes = decode_all(contents, spec, samples)
    for i, file in enumerate(files):
        reasons[i] = file.problem or failures.get(i, reasons[i])
    columns = {
        "features": binary(samples),
        "label": pa.array([file.label for file in files], pa.int64()),
        "key": pa.array([_readable(file.key) for file in files], pa.string()),
        "split": pa.array([file.split for file in files], pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "changes": pa.array(changes, pa.int32()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _read_all(files: list[PictureFile], failures: dict[int, str]) -> Iterator[bytes]:
    """The content of each file, read when it is asked for: one large file is in memory at a time."""
    for i, file in enumerate(files):
        content = b""
        if file.problem is not None:
            yield content
            continue
        try:
            with open(file.path, "rb") as handle:
                handle.seek(file.offset)
                content = handle.read(file.size if file.offset else -1)
            if file.deflated:
                content = inflate(content)
        except OSError as error:
            failures[i] = f"cannot be read: {error.strerror}"
        except zlib.error as error:
            content, failures[i] = b"", f"is damaged in its archive: {error}"
        yield content


def _readable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
