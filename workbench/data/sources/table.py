"""A table of numbers: columns, arrays, or Spark ML vectors, in any format that Spark reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from nets.errors import ConfigError
from workbench.data.canonical import CanonicalFrame
from workbench.data.frames import from_dataframe
from workbench.data.sources.tables import read_tables
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@config
class TableSource:
    """Rows of numbers and a label: each row is a vector."""

    kind: Literal["table"] = "table"
    path: str
    """The table: a file or folder, or a URL that Spark reads."""
    test_path: str | None = None
    """A table of the same columns whose rows are the test set; None: drawn, or as `split` says."""
    format: str = "parquet"
    """Spark's name of the format: parquet, orc, json, csv (with a header), delta, ..."""
    features: tuple[str, ...] = ()
    """Numeric columns, or one column of vectors or arrays; none: every numeric column that no other setting names."""
    label: str = "label"
    """Column to predict."""
    task: Literal["classes", "values"] = "classes"
    """classes: each different label is a class; values: labels are measured, and predicted as numbers."""
    split: str | None = None
    """Column of train, validation, test or null; None: there is none."""
    weight: str | None = None
    """Column with the weight of a row in the loss; None: all rows weigh the same."""
    key: str | None = None
    """Column that names the rows; None: a hash of each row."""
    group: str | None = None
    """Column whose equal values stay together where data.split.by is group."""
    time: str | None = None
    """Column of numbers, dates or timestamps that rows are ordered by where data.split.by is time."""

    def __post_init__(self) -> None:
        others = {self.label, self.split, self.weight, self.key, self.group, self.time}
        if twice := others & set(self.features):
            raise ConfigError(
                f"features must not name another setting's column, got {', '.join(map(str, twice))}."
            )


def read(source: TableSource, spark: SparkSession) -> CanonicalFrame:
    """Vectors (columns,) float32.

    Raises:
        DataError: a table cannot be read, lacks a column or has one of another type.
    """
    from pyspark.sql import functions as F

    named = [source.label, source.split, source.weight, source.key, source.group, source.time]
    others = [name for name in named if name]
    columns = [*source.features, *others]
    frame, split = read_tables(spark, source, columns, others=not source.features)
    label = frame.schema[source.label].dataType.typeName()
    if source.task == "values" and label != "array":
        # Text and whole numbers too: text that is no number becomes null, and so a bad row.
        frame = frame.withColumn(source.label, F.col(f"`{source.label}`").cast("double"))
    return from_dataframe(
        frame,
        features=source.features or _find_numeric(frame, [*others, *([split] if split else [])]),
        label=source.label,
        labels="fit" if source.task == "classes" else None,
        split=split,
        weight=source.weight,
        key=source.key,
        group=source.group,
        time=source.time,
    )


def _find_numeric(frame: DataFrame, others: list[str]) -> list[str]:
    from pyspark.sql.types import BooleanType, NumericType

    names = [
        field.name
        for field in frame.schema
        if isinstance(field.dataType, (NumericType, BooleanType)) and field.name not in others
    ]
    if not names:
        raise DataError(
            f"The table has no numeric column beside {', '.join(others)} "
            f"({frame.schema.simpleString()}). Name its column of vectors with data.source.features."
        )
    return names
