"""From a Spark that does not run on Ray to Ray: Parquet files in a folder that both reach."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from workbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

FOLDER = "spark.workbench.exchange"
"""Setting of the Spark session: the folder, where Spark's executors and Ray's workers are not all on
this machine."""


def through_files(frame: DataFrame) -> ray.data.Dataset:
    """The rows as a Dataset in Ray's object store; the files are gone afterwards.

    Raises:
        DataError: there is no folder that both reach, or a file could not be read.
    """
    folder = Path(tempfile.mkdtemp(prefix="workbench-", dir=_shared(frame)))
    try:
        rows = folder / "rows"
        frame.write.option("compression", "none").parquet(rows.as_uri())
        read = ray.remote(_block).options(num_cpus=0.5)
        blocks = [read.remote(str(file)) for file in sorted(rows.glob("part-*.parquet"))]
        ray.wait(blocks, num_returns=len(blocks), fetch_local=False)
        return ray.data.from_arrow_refs(blocks)
    except ray.exceptions.RayError as error:
        raise DataError(
            f"The data could not be handed from Spark to Ray: {error}. Both have to reach the folder "
            f"{folder.parent}; name another in the Spark setting {FOLDER}."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _block(path: str) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _shared(frame: DataFrame) -> str | None:
    context = frame.sparkSession.sparkContext
    named: Any = context.getConf().get(FOLDER)
    if named is None and not context.master.startswith("local"):
        raise DataError(
            f"Spark runs at {context.master}, and hands data to Ray through a folder that both reach. "
            f"Name one, such as a shared disk, in the Spark setting {FOLDER}."
        )
    return named
