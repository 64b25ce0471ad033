"""A DataFrame of a user's program. Its settings describe it; only that program can make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class DataFrameSource:
    """A DataFrame of a program, for the run's record; it cannot be read from these settings."""

    kind: Literal["dataframe"] = "dataframe"
    features: tuple[str, ...]
    """Its feature columns."""
    label: str | None = None
    """Its label column."""
    plan: int | None = None
    """DataFrame.semanticHash, the same for the same plan within a Spark session."""


def read(source: DataFrameSource, spark: SparkSession) -> CanonicalFrame:
    """Refuse to read it.

    Raises:
        DataError: always.
    """
    raise DataError(
        f"data.source.kind dataframe (columns {', '.join(source.features)}) stands for a DataFrame that "
        "a program made. It cannot be read from its settings. Run that program again, or write the "
        "DataFrame to Parquet and use data.source.kind table or image_table."
    )
