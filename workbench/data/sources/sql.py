"""The rows of a query on the session: tables of Hive, Delta, Iceberg or JDBC, as Spark's settings open them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.sources.any_frame import read_frame
from workbench.data.sources.settings import VectorSettings
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class SqlSource(VectorSettings):
    """Rows of a query in Spark's SQL: each row is a vector, or has one column of samples."""

    kind: Literal["sql"] = "sql"
    query: str = Field(min_length=1)
    """The query, as "select * from sales.orders where day > '2024-01-01'". Catalogs and their drivers are settings of Spark (cluster.spark.settings). It runs at every preparation: rows that are the same are not written again."""


def read(source: SqlSource, spark: SparkSession) -> CanonicalFrame:
    """The rows of the query.

    Raises:
        DataError: Spark refuses the query, it lacks a column, or a column has another type.
    """
    from pyspark.errors import PySparkException

    query = source.query.strip().removesuffix(";")
    try:  # as a part of a query: a command, as DROP TABLE, would act at every reading
        frame = spark.sql(f"select * from (\n{query}\n)")
    except PySparkException as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(
            f"data.source.query must be a query (SELECT, WITH ... SELECT, TABLE), and {source.query!r} "
            f"cannot be run: {first}"
        ) from error
    named = ("label", "split", "weight", "key", "group", "time")
    return read_frame(
        frame,
        "data.source.query",
        features=source.features,
        columns={name: value for name in named if (value := getattr(source, name))},
        task=source.task,
        max_categories=source.max_categories,
        fill=source.fill,
    )
