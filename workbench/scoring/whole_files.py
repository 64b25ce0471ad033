"""A row per file, opened by Spark's tasks.

Spark's own binaryFile passes over empty files, and over those that begin with `_` or `.`, and says
nothing of it. Here the driver lists the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_SCHEMA = "path string, modificationTime timestamp, length long, content binary"
_BATCH_BYTES = 16 * 2**20
_PART_FILES = 4000


def read_whole_files(spark: SparkSession, files: Sequence[Path]) -> DataFrame:
    """The columns of Spark's binaryFile. A file that cannot be opened has null as its content.

    Args:
        files: paths that Spark's workers see as well.
    """
    names = [(str(file),) for file in files]
    slots = 2 * spark.sparkContext.defaultParallelism
    parts = max(1, min(len(names), max(slots, len(names) // _PART_FILES)))
    paths = spark.createDataFrame(spark.sparkContext.parallelize(names, parts), "path string")
    return paths.mapInArrow(_open_files, _SCHEMA)


def _open_files(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows: list[tuple[str, datetime | None, int | None, bytes | None]] = []
    size = 0
    for batch in batches:
        for name in batch.column("path").to_pylist():
            rows.append(_open(name))
            size += len(rows[-1][3] or b"")
            if size > _BATCH_BYTES:
                yield _make_batch(rows)
                rows, size = [], 0
    if rows:
        yield _make_batch(rows)


def _open(name: str) -> tuple[str, datetime | None, int | None, bytes | None]:
    path = Path(name)
    try:
        stat = path.stat()
        content = path.read_bytes()
    except OSError:
        return path.as_uri(), None, None, None
    return path.as_uri(), datetime.fromtimestamp(stat.st_mtime, UTC), len(content), content


def _make_batch(
    rows: list[tuple[str, datetime | None, int | None, bytes | None]],
) -> pa.RecordBatch:
    import pyarrow as pa

    kinds = (pa.string(), pa.timestamp("us", "UTC"), pa.int64(), pa.binary())
    names = ("path", "modificationTime", "length", "content")
    columns = [
        pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, list(names))
