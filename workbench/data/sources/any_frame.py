"""A DataFrame that a query or a function gives, as canonical rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from workbench.data.canonical import CanonicalFrame
from workbench.data.columns import quote
from workbench.data.frames import from_dataframe
from workbench.data.rows import BROKEN
from workbench.data.sources.open_table import CATALOG, SPLIT, from_frame, mark_splits
from workbench.data.sources.table import TableSource, read_opened

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ENCODED = ("binary", "struct")
"""Types of one column that holds pictures."""


def read_frame(
    frame: DataFrame,
    what: str,
    *,
    features: Sequence[str] = (),
    columns: Mapping[str, Any],
    task: Literal["classes", "values"],
    **more: Any,
) -> CanonicalFrame:
    """The rows of a DataFrame: as a table's, or one column of pictures, arrays or vectors.

    Args:
        what: where it comes from, for messages.
        features: columns of the sample; none: all that `columns` does not name.
        columns: label to the name of its column; split, weight, key, group and time too, where there
            are such.
        more: settings of `TableSource`.

    Raises:
        DataError: a column is missing, or has another type.
    """
    from pyspark.sql import functions as F

    required = {**columns, **{f"features.{i}": name for i, name in enumerate(features)}}
    opened, split = mark_splits(from_frame(frame, required, what), columns.get("split"))
    if len(features) == 1 and frame.schema[features[0]].dataType.typeName() in _ENCODED:
        rows = opened.frame.drop(BROKEN)
        if task == "values" and rows.schema[columns["label"]].dataType.typeName() != "array":
            # Whole numbers would be classes.
            rows = rows.withColumn(columns["label"], F.col(quote(columns["label"])).cast("double"))
        canonical = from_dataframe(
            rows,
            features=features[0],
            labels="fit" if task == "classes" else None,
            **{**columns, "split": SPLIT},
        )
        return replace(canonical, decided=opened.decided)
    source = TableSource(
        path=what, format=CATALOG, features=tuple(features), task=task, **columns, **more
    )
    return read_opened(source, opened, split)
