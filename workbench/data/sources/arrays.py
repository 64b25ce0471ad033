"""Arrays in the driver's memory as rows in Spark."""

from __future__ import annotations

import functools
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.rows import binary, location
from workbench.home import home_folder
from workbench.spark_session import reads_our_files, share

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = "features binary, label long, key string, split string"
_ROWS_PER_FILE = 5000


def from_blocks(
    spark: SparkSession,
    blocks: Iterable[dict[str, Any]],
    spec: TensorSpec,
    names: tuple[str, ...],
    *,
    official_test: bool = False,
) -> CanonicalFrame:
    """Samples that the driver reads block by block and hands to the executors.

    On this machine as Parquet files below WORKBENCH_HOME: py4j would copy hundreds of megabytes through a
    socket. Executors on other machines get them by Spark's broadcast.

    Args:
        blocks: in each, features (n, *spec.shape), label (n,), key (n,), and one split ("test" or None).
        official_test: whether some block is the test set.
    """
    folder = _write(blocks) if reads_our_files(spark) else None
    return CanonicalFrame(
        frame=_send(spark, blocks)
        if folder is None
        else spark.read.schema(SCHEMA).parquet(location(folder)),
        spec=spec,
        labels=names,
        num_outputs=len(names),
        cache=folder,
        official_test=official_test,
    )


def _send(spark: SparkSession, blocks: Iterable[dict[str, Any]]) -> DataFrame:
    rows = [_compress(part) for part in _cut(blocks)]
    unpack = functools.partial(_unpack, shared=share(spark, rows))
    return spark.range(0, len(rows), 1, len(rows)).mapInArrow(unpack, SCHEMA)


def _write(blocks: Iterable[dict[str, Any]]) -> Path:
    """The folder of the files."""
    import pyarrow.parquet as pq

    folder = home_folder() / "cache" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        for number, rows in enumerate(_cut(blocks)):
            pq.write_table(rows, folder / f"{number:05d}.parquet", compression="lz4")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _cut(blocks: Iterable[dict[str, Any]]) -> Iterator[pa.Table]:
    for block in blocks:
        for start in range(0, len(block["label"]), _ROWS_PER_FILE):
            yield _to_arrow(block, slice(start, start + _ROWS_PER_FILE))


def _compress(rows: pa.Table) -> bytes:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def _unpack(numbers: Iterator[pa.RecordBatch], shared: Any) -> Iterator[pa.RecordBatch]:
    """In Spark's tasks: the rows of the parts with these numbers."""
    import pyarrow as pa

    for batch in numbers:
        for number in batch.column(0).to_pylist():
            yield from pa.ipc.open_stream(shared.value[number])


def _to_arrow(block: dict[str, Any], rows: slice) -> pa.Table:
    import pyarrow as pa

    features = binary(block["features"][rows])
    return pa.table(
        {
            "features": features,
            "label": pa.array(block["label"][rows]),
            "key": pa.array(block["key"][rows], pa.string()),
            "split": pa.array([block["split"]] * len(features), pa.string()),
        }
    )
