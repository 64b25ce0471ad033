"""A table of numbers, categories and dates: columns, arrays, or Spark ML vectors, in any format that Spark reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.categories import encode_categories
from workbench.data.columns import hash_columns, quote
from workbench.data.csv_config import CsvConfig
from workbench.data.frames import from_dataframe
from workbench.data.number_text import number_of, trim_text
from workbench.data.profile import Column, profile_columns
from workbench.data.rows import BROKEN
from workbench.data.sources.column_sentences import describe_markers, describe_numbers
from workbench.data.sources.open_table import (
    SPLIT,
    OpenTable,
    filter_rows,
    open_table,
)
from workbench.data.sources.picture_columns import name_categories, name_classes
from workbench.data.sources.settings import VectorSettings
from workbench.data.sources.table_columns import Features, find_features
from workbench.data.sources.two_tables import open_with_test
from workbench.data.times import find_time_form, seconds_of
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

_TEXT_FORMATS = ("csv", "json", "text")
"""Formats whose text may be a number."""


@config
class TableSource(VectorSettings):
    """Rows of numbers, categories and dates, and a label: each row is a vector."""

    kind: Literal["table"] = "table"
    path: str
    """The table: a file or folder, a URL that Spark reads, or a name in the session's catalog (format catalog)."""
    test_path: str | None = None
    """A table of the same columns whose rows are the test set; None: drawn, or as `split` says."""
    format: str = "parquet"
    """Spark's name of the format: parquet, orc, json, csv (and TSV), delta, ...; catalog: a table that the session knows by name (Hive, Iceberg, Delta, JDBC)."""
    where: str | None = None
    """Condition in Spark's SQL on the table's columns, as "day >= '2024-01-01'": only rows that fulfil it are read; None: all rows."""
    time_format: str | None = None
    """How the column `time` writes times that are text, as Python's strptime takes it (%d/%m/%Y %H:%M); None: found from the rows."""
    named_splits: bool = True
    """Whether names of files, folders and columns say the splits (train.csv, test/, split=train); False: they are drawn."""
    csv: CsvConfig = CsvConfig()
    """csv: how the files are written."""


def read(source: TableSource, spark: SparkSession) -> CanonicalFrame:
    """Vectors float32: a number for each number, several for a date, one for each value of a category.

    Raises:
        DataError: a table cannot be read, lacks a column or has one of another type; or the labels are
            measured values and the task is classes.
    """
    settings = ("label", "split", "weight", "key", "group", "time")
    named = {s: value for s in settings if (value := getattr(source, s))}
    opened, split = _open(source, spark, named)
    return read_opened(source, opened, split)


def read_opened(source: TableSource, opened: OpenTable, split: str | None) -> CanonicalFrame:
    """The rows of a table that is open, by the source's other settings.

    Args:
        split: the column that says the split, which is no feature.

    Raises:
        DataError: as `read` does.
    """
    from pyspark.sql import functions as F

    settings = ("label", "split", "weight", "key", "group", "time")
    named = {s: value for s in settings if (value := getattr(source, s))}
    others = {*named.values(), *([split] if split else [])}
    frame, said = name_categories(
        opened.frame, set(opened.columns) - others, source.format, source.path
    )
    opened = replace(opened, frame=frame, decided=(*opened.decided, *said))
    features = find_features(
        opened,
        source.features,
        others,
        typed=source.format not in _TEXT_FORMATS,
        fill=source.fill,
        max_categories=source.max_categories,
    )
    decided = [*opened.decided, f"Label: {source.label}.", *features.decided]
    frame = features.frame
    frame = _cast_label(frame, source, opened, decided)
    names = None
    if source.task == "classes":
        named_label, names = name_classes(frame, source.label, source.format, source.path, decided)
        frame = frame.withColumn(source.label, named_label)
    frame = _cast_others(frame, source, opened, decided)
    canonical = from_dataframe(
        frame.where(F.col(BROKEN).isNull()).drop(BROKEN),
        features=features.names,
        label=source.label,
        labels=(names or "fit") if source.task == "classes" else None,
        split=SPLIT,
        weight=source.weight,
        key=source.key,
        group=source.group,
        time=source.time,
    )
    is_vector = canonical.spec.shape == (len(features.names),)
    canonical = replace(
        canonical,
        decided=tuple(decided),
        feature_names=features.names if is_vector else (),
        bad=_add_broken_rows(canonical.bad, opened),
    )
    return _with_categories(canonical, features)


def _open(
    source: TableSource, spark: SparkSession, named: dict[str, str]
) -> tuple[OpenTable, str | None]:
    """The rows of one table or two, with their split, and the column that says it."""
    required = named | {f"features.{i}": name for i, name in enumerate(source.features)}

    def open_one(path: str, by_name: bool) -> OpenTable:
        opened = open_table(
            spark, path, source.format, source.csv, required, named_splits=by_name, flat=True
        )
        return filter_rows(opened, source.where)

    return open_with_test(source, open_one)


def _with_categories(canonical: CanonicalFrame, features: Features) -> CanonicalFrame:
    if not features.categories:
        return canonical
    return replace(canonical, encode=lambda split: encode_categories(split, features.categories))


def _cast_label(
    frame: DataFrame, source: TableSource, opened: OpenTable, decided: list[str]
) -> DataFrame:
    """Text and whole numbers as doubles where values are learned; classes without spaces around them."""
    from pyspark.sql import functions as F

    column, kind = F.col(quote(source.label)), frame.schema[source.label].dataType.typeName()
    if kind in ("array", "udt", "vector"):
        return frame
    if source.task == "values" and kind != "string":
        return frame.withColumn(source.label, column.cast("double"))
    good = opened.frame.where(F.col(BROKEN).isNull())
    profile = profile_columns(good, [source.label], missing=opened.missing, decimal=opened.decimal)[
        source.label
    ]
    if profile.markers:
        decided.append(
            f"Missing: the label is missing in {profile.missing} of {profile.rows} rows, which are set aside."
            f"{describe_markers(profile, opened.missing)}"
        )
    if source.task == "values":
        return frame.withColumn(source.label, _measure(source.label, profile, opened, decided))
    _refuse_measured(source.label, profile, decided)
    if kind != "string":
        return frame
    value = trim_text(source.label)
    value = F.when(~value.isin(*opened.missing), value)
    if source.format in _TEXT_FORMATS and _is_plain(profile):
        number = number_of(source.label, opened.decimal, opened.missing, signs=False)
        value = number.cast("long") if profile.wholes == profile.present else number
    return frame.withColumn(source.label, value)


def _measure(name: str, profile: Column, opened: OpenTable, decided: list[str]) -> SparkColumn:
    """Text as measured values. What is no number becomes null, and so a bad row.

    Raises:
        DataError: its numbers have several units.
    """
    if profile.mixture:
        raise DataError(
            f"The numbers of the label {name!r} have different signs or units, {profile.mixture}. Write "
            "them in one."
        )
    decided += describe_numbers(name, profile)
    return number_of(
        name, opened.decimal, opened.missing, signs=profile.has_signs, units=profile.used_units
    )


def _is_plain(profile: Column) -> bool:
    """Whether classes are numbers and nothing else: not 01, 5 %, or too long for a double to tell apart."""
    return (
        profile.numbers == profile.present > 0
        and not (profile.codes or profile.has_signs or profile.unit)
        and max(abs(profile.low or 0), abs(profile.high or 0)) < 2**53
    )


def _refuse_measured(name: str, profile: Column, decided: list[str]) -> None:
    """Refuse numbers of which most are there once; say it where they have digits after the point."""
    if profile.numbers < profile.present or profile.present < 5:
        return
    size = f"more than {len(profile.values)}" if profile.many else str(len(profile.values))
    size = "more than 200" if profile.many else size
    broken = profile.wholes < profile.present
    if (profile.many and broken) or len(profile.values) * 2 > profile.present:
        raise DataError(
            f"The label {name!r} looks measured: {size} different numbers in {profile.present} rows, such "
            f"as {profile.low:g} and {profile.high:g}, cannot be classes. Use --set "
            "data.source.task=values to predict numbers, or name another label."
        )
    if broken or profile.many or len(profile.values) > 50:
        decided.append(
            f"Label: {name} looks measured ({size} different numbers) and is taken as classes. "
            "--set data.source.task=values predicts numbers."
        )


def _cast_others(
    frame: DataFrame, source: TableSource, opened: OpenTable, decided: list[str]
) -> DataFrame:
    """Weights and times that are text, as numbers."""
    kinds = dict(opened.frame.dtypes)
    if source.weight and kinds[source.weight] == "string":
        frame = frame.withColumn(
            source.weight, number_of(source.weight, opened.decimal, opened.missing)
        )
    if source.time and kinds[source.time] == "string":
        form = find_time_form(
            opened.frame, source.time, source.time_format, where="data.source.time_format"
        )
        value = (
            seconds_of(source.time, form)
            if form
            else number_of(source.time, opened.decimal, opened.missing)
        )
        frame = frame.withColumn(source.time, value)
        decided += [form.describe(source.time)] if form else []
    return frame


def _add_broken_rows(bad: DataFrame | None, opened: OpenTable) -> DataFrame:
    from pyspark.sql import functions as F

    assert bad is not None
    reason = F.concat(
        F.lit("a row that does not have the columns of the table: "), F.substring(BROKEN, 1, 60)
    )
    broken = opened.frame.where(F.col(BROKEN).isNotNull())
    kinds = dict(opened.frame.dtypes)
    hashed = [name for name in opened.columns if "map<" not in kinds[name]]  # Spark hashes no maps
    return bad.union(broken.select(hash_columns(hashed).alias("key"), reason))
