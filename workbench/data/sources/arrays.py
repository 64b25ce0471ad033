"""Arrays in the driver's memory as rows in Spark."""

from __future__ import annotations

import itertools
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.rows import binary, location
from workbench.home import home_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

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
    """Samples that the driver reads block by block and writes to Parquet files for the executors.

    py4j would copy hundreds of megabytes through a socket. The files lie below WORKBENCH_HOME (on a
    cluster: a folder that all nodes reach).

    Args:
        blocks: in each, features (n, *spec.shape), label (n,), key (n,), and one split ("test" or None).
        official_test: whether some block is the test set.
    """
    folder = home_folder() / "cache" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:
        _write(blocks, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    frame = spark.read.schema(SCHEMA).parquet(location(folder))
    return CanonicalFrame(
        frame=frame,
        spec=spec,
        labels=names,
        num_outputs=len(names),
        cache=folder,
        official_test=official_test,
    )


def _write(blocks: Iterable[dict[str, Any]], folder: Path) -> None:
    import pyarrow.parquet as pq

    numbers = itertools.count()
    for block in blocks:
        for start in range(0, len(block["label"]), _ROWS_PER_FILE):
            rows = _to_arrow(block, slice(start, start + _ROWS_PER_FILE))
            pq.write_table(rows, folder / f"{next(numbers):05d}.parquet", compression="lz4")


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
