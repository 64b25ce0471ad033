"""A DataFrame of a person's own program: described here, but only that program can give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class DataFrameSource:
    """What a program handed over as a DataFrame, so that a run says so; it cannot be read from here."""

    kind: Literal["dataframe"] = "dataframe"
    features: tuple[str, ...]
    """Its feature columns."""
    label: str | None = None
    """Its label column."""
    plan: int | None = None
    """DataFrame.semanticHash, the same for the same reading within a Spark session."""


def read(source: DataFrameSource, spark: SparkSession) -> CanonicalFrame:
    """
    Raises:
        DataError: always.
    """
    raise DataError(
        f"data.source.kind dataframe (columns {', '.join(source.features)}) stands for a DataFrame that "
        "a program made: it cannot be read from its settings. Run that program again, or write the "
        "DataFrame to Parquet and use data.source.kind table or image_table."
    )
