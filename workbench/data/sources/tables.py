"""Tables that Spark reads by format and path, maybe with a second one for the test split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from workbench.data.rows import location
from workbench.data.sources.paths import find_path
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SPLIT = "__split"
"""Column that is added where rows come from two tables."""


class Tables(Protocol):
    """Settings that all sources of tables have."""

    @property
    def path(self) -> str: ...
    @property
    def test_path(self) -> str | None: ...
    @property
    def format(self) -> str: ...
    @property
    def split(self) -> str | None: ...


def read_tables(
    spark: SparkSession, source: Tables, columns: list[str], *, others: bool = False
) -> tuple[DataFrame, str | None]:
    """Columns of one table or two, and the name of the column with the split.

    Args:
        columns: columns that must be there.
        others: keep the other columns too.

    Raises:
        DataError: a table is missing or unreadable, or lacks a column.
    """
    from pyspark.sql import functions as F

    frame = _read_table(spark, source.path, source.format, columns, others)
    if source.test_path is None:
        return frame, source.split
    test = _read_table(spark, source.test_path, source.format, columns, others)
    if differing := set(frame.columns) ^ set(test.columns):
        raise DataError(
            f"The tables data.source.path and test_path must have the same columns; only one of them "
            f"has {', '.join(sorted(differing))}."
        )
    train_split = F.col(f"`{source.split}`").cast("string") if source.split else F.lit(None)
    marked = frame.withColumn(SPLIT, train_split.cast("string"))
    both = marked.unionByName(test.withColumn(SPLIT, F.lit("test")))
    return both, SPLIT


def _read_table(
    spark: SparkSession, path: str, form: str, columns: list[str], others: bool
) -> DataFrame:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    place = path if "://" in path else location(find_path(path, f"a table in format {form}"))
    reader: Any = spark.read.format(form)
    if form == "csv":
        reader = reader.option("header", True).option("inferSchema", True)
    try:
        frame = reader.load(place)
    except (PySparkException, Py4JJavaError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(
            f"{path} cannot be read as {form}: {first}. Set data.source.format to the table's own."
        ) from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}. It has {', '.join(frame.columns)}: say which it is "
            "with --set data.source.image=COLUMN, label, split or key."
        )
    return frame if others else frame.select(*(f"`{name}`" for name in columns))
