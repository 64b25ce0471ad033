"""Shared by readers: tables as Spark reads them, keys for rows without one, samples as bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.data.class_order import natural_order
from workbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

TableFormat = Literal["csv", "json", "parquet"]

MAX_CLASSES = 10_000
"""A label column with more different values than this is refused."""
BROKEN = "_broken"
"""Column that holds the whole line of a row that Spark cannot parse."""


def location(path: Path) -> str:
    """A path for Spark, with the characters of its patterns escaped."""
    return "file://" + re.sub(r"([\\{}\[\]*?])", r"\\\1", str(path))


def broken_reason() -> Column:
    """The reason why Spark could not parse a row of an open table, else null."""
    from pyspark.sql import functions as F

    shown = F.substring(BROKEN, 1, 60)
    return F.when(F.col(BROKEN).isNotNull(), F.concat(F.lit("cannot be parsed: "), shown))


def add_keys(frame: DataFrame, place: Column, *content: Column) -> DataFrame:
    """Add `key`: the row's place, a hash of its content, and its number among equal rows.

    Spark has no stable row numbers for files. This key depends on the rows alone, not on how they
    were read. Equal rows are interchangeable, so their order does not matter.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    digest = F.hex(F.xxhash64(*content))
    equals = Window.partitionBy("_place", "_digest").orderBy(*content)
    number = F.row_number().over(equals)
    named = frame.withColumn("_place", place).withColumn("_digest", digest)
    key = F.concat_ws("/", "_place", "_digest", number.cast("string"))
    return named.withColumn("key", key).drop("_place", "_digest")


def class_names(frame: DataFrame, column: str) -> tuple[str, ...]:
    """The distinct values of a column of text in natural order: 2 before 10, k2 before k10.

    Raises:
        DataError: there are none, or more than MAX_CLASSES.
    """
    values = frame.select(column).where(f"`{column}` is not null").distinct()
    names = [row[0] for row in values.limit(MAX_CLASSES + 1).collect()]
    if not 0 < len(names) <= MAX_CLASSES:
        raise DataError(
            f"A label must be one of 1 to {MAX_CLASSES} classes, got "
            f"{'no values' if not names else 'more'} in data.source.label_column. Name the column "
            "that holds the class."
        )
    return natural_order(names)


def index_of(column: Column, names: tuple[str, ...]) -> Column:
    """The index of a class name, as a long; null for any other text."""
    from pyspark.sql import functions as F

    if not names:
        return F.lit(None).cast("long")
    index = F.create_map(*(F.lit(x) for i, name in enumerate(names) for x in (name, i)))
    return index[column].cast("long")


def open_splits(split: Column, named: set[str | None]) -> Column:
    """Official names of splits, with null where rows are to be drawn from the training rows.

    Args:
        split: column of train, validation, test or null.
        named: the values that are there. "train" is final only where the other two are there as well.
    """
    from pyspark.sql import functions as F

    if {"validation", "test"} <= named:
        return split
    return F.when(split != "train", split)


def binary(samples: np.ndarray[Any, Any]) -> pa.Array:
    """(n, ...) of any dtype as n binary values; contiguous arrays are not copied."""
    import pyarrow as pa

    samples = np.ascontiguousarray(samples)
    size = len(samples)
    width = samples.nbytes // size if size else 0
    offsets = np.arange(size + 1, dtype=np.int64) * width
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(samples)]
    return pa.Array.from_buffers(pa.binary(), size, buffers)
