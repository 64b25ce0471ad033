"""The rows of a query on the session: tables of Hive, Delta, Iceberg or JDBC, as Spark's settings open them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.sources.any_frame import read_frame
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class SqlSource:
    """Rows of a query in Spark's SQL: each row is a vector, or has one column of samples."""

    kind: Literal["sql"] = "sql"
    query: str = Field(min_length=1)
    """The query, as "select * from sales.orders where day > '2024-01-01'". Catalogs and their drivers are settings of Spark (cluster.spark.settings). It runs at every preparation: rows that are the same are not written again."""
    features: tuple[str, ...] = ()
    """Columns of numbers, booleans, categories and dates, or one column of vectors, arrays or encoded pictures; none: every column that no other setting names."""
    label: str = "label"
    """Column to predict."""
    task: Literal["classes", "values"] = "classes"
    """classes: each different label is a class; values: labels are measured, and predicted as numbers."""
    split: str | None = None
    """Column of train, validation, test or null, in any usual spelling; None: a column named split, set, ... where its values are names of splits."""
    weight: str | None = None
    """Column with the weight of a row in the loss; None: all rows weigh the same."""
    key: str | None = None
    """Column that names the rows; None: a hash of each row."""
    group: str | None = None
    """Column whose equal values stay together where data.split.by is group."""
    time: str | None = None
    """Column of numbers, dates or timestamps that rows are ordered by where data.split.by is time."""
    max_categories: int = Field(default=50, ge=1)
    """A column of text with more different values is no category, and no feature."""
    fill: float | None = None
    """Number in place of a missing one, and no category in place of a missing category; None: rows without a value are set aside."""


def read(source: SqlSource, spark: SparkSession) -> CanonicalFrame:
    """The rows of the query.

    Raises:
        DataError: Spark refuses the query, it lacks a column, or a column has another type.
    """
    from pyspark.errors import PySparkException

    try:
        frame = spark.sql(source.query)
    except PySparkException as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"data.source.query {source.query!r} cannot be run: {first}") from error
    named = ("label", "split", "weight", "key", "group", "time")
    return read_frame(
        spark,
        frame,
        features=source.features,
        columns={name: value for name in named if (value := getattr(source, name))},
        task=source.task,
        max_categories=source.max_categories,
        fill=source.fill,
    )
