"""How many rows Spark sends to Python at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.data.canonical import CanonicalFrame

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_BATCH_BYTES = 8 * 2**20
_SETTING = "spark.sql.execution.arrow.maxRecordsPerBatch"


@contextmanager
def limit_batches(canonical: CanonicalFrame) -> Iterator[None]:
    """While the block runs, an Arrow batch holds some megabytes of rows, not 10,000 rows."""
    with limit_batch_bytes(
        canonical.frame.sparkSession, max(canonical.spec.num_bytes, canonical.row_bytes or 0)
    ):
        yield


@contextmanager
def limit_batch_bytes(spark: SparkSession, row_bytes: int) -> Iterator[None]:
    """The same for rows of `row_bytes`.

    Spark's own limit counts rows, whatever their size. It builds a batch in direct memory, and a JVM
    may have as much of that as of heap: 10,000 pictures of 224x224 are 1.5 GB, and twice that while
    the buffer grows.
    """
    before = spark.conf.get(_SETTING)
    # None where nobody has set it: a session that was given is left as it was.
    set_before = spark.conf.get(_SETTING, None)
    rows = max(1, _BATCH_BYTES // row_bytes)
    spark.conf.set(_SETTING, str(min(rows, int(before or rows))))
    try:
        yield
    finally:
        if set_before is None:
            spark.conf.unset(_SETTING)
        else:
            spark.conf.set(_SETTING, set_before)
