"""A table with an encoded picture or sound in each row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.columns import quote
from workbench.data.csv_config import CsvConfig
from workbench.data.frames import from_dataframe
from workbench.data.rows import BROKEN
from workbench.data.sources.open_table import (
    SPLIT,
    OpenTable,
    open_table,
)
from workbench.data.sources.picture_columns import name_classes
from workbench.data.sources.two_tables import Tables, open_with_test
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_CONTENT, _CLASS, _ELSEWHERE = "__content", "__class", "__elsewhere"


class EncodedTable(Tables, Protocol):
    """The settings that such sources share."""

    @property
    def format(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def time(self) -> str | None: ...
    @property
    def csv(self) -> CsvConfig: ...


def read_encoded(
    source: EncodedTable, spark: SparkSession, spec: TensorSpec, *, column: str, setting: str
) -> CanonicalFrame:
    """Rows of one table or two; classes in order, by the names that HuggingFace's files keep.

    Args:
        column: of the pictures or sounds: bytes, or a struct that holds them; a dot leads into one.
        setting: the source's setting that names the column.

    Raises:
        DataError: a table cannot be read or lacks a column, or the test table has other columns.
    """
    from pyspark.sql import functions as F

    opened, split = _open(source, spark, column, setting)
    decided = list(opened.decided)
    frame = opened.frame.withColumn(_CONTENT, _select(opened.frame, column, setting, decided))
    label, names = name_classes(frame, source.label, source.format, source.path, decided)
    frame = frame.withColumn(_CLASS, label).withColumn(_ELSEWHERE, _find_elsewhere(frame, column))
    used = {column.partition(".")[0], column, source.label, split}
    used |= {source.key, source.group, source.time}
    if unused := [name for name in opened.columns if name not in used]:
        decided.append(f"Columns that are not read: {', '.join(unused)}.")
    good = frame.where(F.col(BROKEN).isNull() & F.col(_ELSEWHERE).isNull())
    canonical = from_dataframe(
        good,
        features=_CONTENT,
        label=_CLASS,
        spec=spec,
        split=SPLIT,
        key=source.key,
        group=source.group,
        time=source.time,
        labels=names or "fit",
    )
    return replace(canonical, decided=tuple(decided), bad=_add_not_read(canonical, frame, setting))


def _open(
    source: EncodedTable, spark: SparkSession, column: str, setting: str
) -> tuple[OpenTable, str | None]:
    """The rows of one table or two, with their split, and the column that says it."""
    settings = ("label", "split", "key", "group", "time")
    required = {name: value for name in settings if (value := getattr(source, name))}

    def open_one(path: str, by_name: bool) -> OpenTable:
        opened = open_table(spark, path, source.format, source.csv, required, named_splits=by_name)
        top = column.partition(".")[0]
        if column not in opened.columns and top not in opened.columns:
            raise DataError(
                f"{path} has no column {column!r}. It has {', '.join(opened.columns)}. Say which "
                f"holds the {setting}s with --set data.source.{setting}=COLUMN."
            )
        return opened

    return open_with_test(source, open_one)


def _select(frame: DataFrame, name: str, setting: str, decided: list[str]) -> Column:
    """The column of pictures or sounds: itself, or a field of a struct."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    if name in frame.columns:
        column, kind = F.col(quote(name)), frame.schema[name].dataType
        if isinstance(kind, StructType) and "bytes" in kind.names:
            decided.append(f"{setting.capitalize()}s are the field bytes of the column {name}.")
            return column["bytes"]
        return column
    top, *fields = name.split(".")
    column, kind = F.col(quote(top)), frame.schema[top].dataType
    for field in fields:
        if not isinstance(kind, StructType) or field not in kind.names:
            names = ", ".join(kind.names) if isinstance(kind, StructType) else "no fields"
            raise DataError(
                f"data.source.{setting} {name!r} leads to no field: {top} is {kind.simpleString()}, with "
                f"{names}. Set data.source.{setting} to a column, or to {top}.FIELD."
            )
        column, kind = column[field], kind[field].dataType
    return column


def _find_elsewhere(frame: DataFrame, name: str) -> Column:
    """The path of a file that is named in the row and is not in it; null where there is none."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    kind = frame.schema[name].dataType if name in frame.columns else None
    if not isinstance(kind, StructType) or not {"bytes", "path"} <= set(kind.names):
        return F.lit(None).cast("string")
    cell = F.col(quote(name))
    return F.when(cell["bytes"].isNull(), cell["path"])


def _add_not_read(canonical: CanonicalFrame, frame: DataFrame, setting: str) -> DataFrame:
    """The bad rows, and those that are broken or hold no file."""
    from pyspark.sql import functions as F

    assert canonical.bad is not None
    bad = canonical.bad
    for name, text in (
        (BROKEN, "a row that does not have the columns of the table"),
        (
            _ELSEWHERE,
            f"the {setting} is a path and no bytes (name the folder of the files, or write their bytes into "
            "the table)",
        ),
    ):
        rows = frame.where(F.col(name).isNotNull())
        reason = F.concat(F.lit(f"{text}: "), F.substring(name, 1, 60))
        bad = bad.union(rows.select(F.hex(F.xxhash64(name)).alias("key"), reason))
    return bad
