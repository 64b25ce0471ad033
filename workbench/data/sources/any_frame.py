"""A DataFrame that a query or a function gives, as canonical rows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from workbench.data.canonical import CanonicalFrame
from workbench.data.frames import from_dataframe
from workbench.data.sources import table
from workbench.data.sources.open_table import CATALOG
from workbench.data.sources.table import TableSource

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_SAMPLES = ("binary", "struct", "udt", "array")
"""Types of one column that holds whole samples."""


def read_frame(
    spark: SparkSession,
    frame: DataFrame,
    *,
    features: Sequence[str] = (),
    columns: Mapping[str, Any],
    task: Literal["classes", "values"],
    **more: Any,
) -> CanonicalFrame:
    """The rows of a DataFrame: as a table's, or one column of pictures, arrays or vectors.

    Args:
        features: columns of the sample; none: all that `columns` does not name.
        columns: label, split, weight, key, group and time to the names of their columns, where there
            are such.
        more: settings of `TableSource`.

    Raises:
        DataError: a column is missing, or has another type.
    """
    types = {field.name: field.dataType.typeName() for field in frame.schema}
    if len(features) == 1 and types.get(features[0]) in _SAMPLES:
        named: dict[str, Any] = {"label": None, **columns}
        classes = "fit" if task == "classes" and named["label"] else None
        return from_dataframe(frame, features=features[0], labels=classes, **named)
    name = f"workbench_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(name)
    try:
        source = TableSource(
            path=name, format=CATALOG, features=tuple(features), task=task, **columns, **more
        )
        return table.read(source, spark)
    finally:
        spark.catalog.dropTempView(name)
