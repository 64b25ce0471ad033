"""What the columns of a table become: numbers, categories, parts of dates, or nothing; and why."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.data.class_order import natural_order
from workbench.data.columns import quote
from workbench.data.number_text import number_of, numbers_of, plain_number_of, trim_text
from workbench.data.profile import MOST_VALUES, Column, profile_columns
from workbench.data.sources.column_sentences import (
    describe_markers,
    describe_numbers,
    describe_other_decimals,
)
from workbench.data.sources.open_table import OpenTable
from workbench.data.times import TimeForm, find_time_form, seconds_of
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType

_INDEX_NAME = re.compile(
    r"(?i)unnamed: \d+|__index_level_\d+__|index|rownames?|row_?(id|num(ber)?)?|id|_c0|\w+_id|"
    r"(?-i:[A-Za-z]+I[dD])"
)
"""Names of columns that number the rows, as pandas, R and databases write them."""
_FEW_ROWS = 20
"""With fewer rows, a column that counts them by chance is likely."""
_SENTINELS = (-9999.0, -999.0, -99.0, -99999.0, 9999.0, 99999.0, 999999.0, -32768.0)
"""Numbers that stand for no value in weather stations' and loggers' files."""
_FEW_BANDS = 10
"""Up to this many values, one as >2 is a class of its own: 0, 1, 2, >2."""
_TRUE = ("true", "t", "yes", "y")
_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of a table."""

    frame: DataFrame
    """With a numeric column for each name; categories are the numbers of their values, from 0."""
    names: tuple[str, ...]
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Values of each category, by the name of its column."""
    decided: tuple[str, ...] = ()


def find_features(
    opened: OpenTable,
    features: tuple[str, ...],
    others: set[str],
    *,
    typed: bool,
    fill: float | None,
    max_categories: int,
) -> Features:
    """The features that are named, or those among all columns but `others`.

    Numbers and booleans stay numbers. Text with at most `max_categories` different values is a category.
    Dates become days since 1970, month and weekday, and the hour where there are hours. A column that
    only counts the rows, is empty, or holds longer texts is no feature; that is said.

    Args:
        typed: the format states types; otherwise text may be a number or a boolean.
        fill: number in place of missing ones; None: rows without a value are set aside.

    Raises:
        DataError: no column can be a feature.
    """
    from pyspark.sql import functions as F

    kinds = {f.name: f.dataType for f in opened.frame.schema}
    candidates = [n for n in (features or opened.columns) if n in kinds and n not in others]
    scalars = [name for name in candidates if _is_scalar(kinds[name])]
    if not scalars or (features and len(features) == 1 and features[0] not in scalars):
        vectors = [n for n in candidates if _is_vector(kinds[n])]
        if not features and len(vectors) == 1:
            sentence = f"Columns used: {vectors[0]}, a vector."
            return Features(frame=opened.frame, names=(vectors[0],), decided=(sentence,))
        if features:
            return Features(frame=opened.frame, names=features)
    rows = opened.frame.where(F.col("_broken").isNull())
    profiles = profile_columns(rows, scalars, missing=opened.missing, decimal=opened.decimal)
    lists = [name for name in scalars if profiles[name].is_list]
    alone = not [n for n in scalars if n not in lists and not _is_left_out(n, profiles[n])]
    if len(lists) == 1 and (len(features) == 1 if features else alone):
        return _read_list(opened, lists[0], [name for name in candidates if name not in lists])
    maker = _Maker(opened, kinds, typed, fill, max_categories, named=bool(features))
    for name in scalars:
        maker.add(name, profiles[name])
    if features and (odd := [name for name in features if name not in scalars]):
        raise DataError(
            f"Several feature columns must be numeric, {odd[0]!r} is {kinds[odd[0]].simpleString()}. "
            "Leave it out, or name it alone."
        )
    unused = [name for name in candidates if name not in scalars]
    return maker.finish(unused, others)


class _Maker:
    """Collects expressions and sentences, column by column."""

    def __init__(
        self,
        opened: OpenTable,
        kinds: dict[str, DataType],
        typed: bool,
        fill: float | None,
        max_categories: int,
        *,
        named: bool,
    ) -> None:
        self.opened, self.kinds, self.typed, self.fill = opened, kinds, typed, fill
        self.max_categories, self.named = max_categories, named
        self.columns: dict[str, SparkColumn] = {}
        self.categories: dict[str, tuple[str, ...]] = {}
        self.used: dict[str, list[str]] = {}
        self.decided: list[str] = []

    def add(self, name: str, profile: Column) -> None:
        if not profile.present:
            self._leave_out(name, "it is empty")
        elif self._numbers_rows(name, profile):
            self._leave_out(name, "it only counts or names the rows")
        elif self.kinds[name].typeName() in ("date", "timestamp", "timestamp_ntz"):
            self._add_date(name, profile, None)
        elif self.kinds[name].typeName() != "string":
            self._add_number(name, profile)
        elif profile.is_list:
            self._leave_out(
                name,
                "its cells are several numbers, and a sample is such a list or other columns, not both: "
                f"--set data.source.features='[\"{name}\"]' takes it alone",
            )
        elif profile.is_boolean and not self.typed:
            text = self._lower(name)
            value = text.isin(*_TRUE).cast("double")
            self._use(name, "yes or no as 1 and 0", value, profile)
        elif (
            profile.mixture and not self.typed and (profile.signs or not self._is_category(profile))
        ):
            self._leave_out(
                name,
                f"its numbers have different signs or units, {profile.mixture}: write them in one",
            )
        elif profile.has_other_decimals and not self.typed and not self._is_category(profile):
            self._leave_out(name, describe_other_decimals(profile, self.opened.decimal))
        elif (
            profile.is_number
            and not (profile.mixture or self.typed)
            and not (profile.limits and 0 < len(profile.values) <= _FEW_BANDS)
        ):
            self._add_number(name, profile)
        elif profile.is_date and self._find_date(name, profile):
            return
        else:
            self._add_category(name, profile)

    def finish(self, unused: list[str], others: set[str]) -> Features:
        """The features, with sentences about the columns that are used and not used."""
        for name in unused:
            self._leave_out(name, f"it is {self.kinds[name].simpleString()}")
        if not self.columns:
            shown = ", ".join(
                f"{name} ({self.kinds[name].simpleString()})"
                for name in self.kinds
                if not name.startswith("_")
            )
            raise DataError(
                f"The table has no column that can be a feature beside {', '.join(sorted(others))}: "
                f"{' '.join(self.decided)} It has {shown}. Name columns with "
                "--set data.source.features='[\"COLUMN\"]'. For texts, describe it with "
                '\'{"kind": "text", "path": "...", "format": "csv", "text_column": "COLUMN"}\'.'
            )
        used = "; ".join(f"{_list(names)} ({what})" for what, names in self.used.items())
        frame = self.opened.frame.withColumns(self.columns)
        return Features(
            frame=frame,
            names=tuple(self.columns),
            categories=self.categories,
            decided=(f"Columns used: {used}.", *self.decided),
        )

    def _numbers_rows(self, name: str, profile: Column) -> bool:
        if self.named:
            return False
        return names_rows(name, profile) or (profile.rows >= _FEW_ROWS and profile.counts_rows)

    def _leave_out(self, name: str, why: str) -> None:
        if self.named:
            raise DataError(
                f"The column {name!r} cannot be a feature: {why}. Take it out of data.source.features."
            )
        self.decided.append(f"Column not used: {name}; {why}.")

    def _use(self, name: str, what: str, value: SparkColumn, profile: Column) -> None:
        from pyspark.sql import functions as F

        if self.fill is not None and what != "category":
            value = F.coalesce(value, F.lit(float(self.fill)))
        self.columns[name] = value
        self.used.setdefault(what, []).append(name)
        if profile.is_constant:
            self.decided.append(f"Constant column: {name} has the same value in every row.")
        if profile.low in _SENTINELS or profile.high in _SENTINELS:
            value_text = f"{profile.low if profile.low in _SENTINELS else profile.high:g}"
            self.decided.append(
                f"Maybe missing: the {'smallest' if profile.low in _SENTINELS else 'largest'} value of "
                f"{name} is {value_text}, which many devices write for no value. It is taken as a number; "
                "data.source.csv.missing lists what stands for none."
            )
        if profile.missing:
            then = (
                f"{self.fill:g} stands for it (data.source.fill)"
                if self.fill is not None and what != "category"
                else "no category stands for it"
                if self.fill is not None
                else "these rows are set aside (--set data.source.fill=0 keeps them)"
            )
            self.decided.append(
                f"Missing: {name} has no value in {profile.missing} of {profile.rows} rows; {then}."
                f"{describe_markers(profile, self.opened.missing)}"
            )

    def _add_number(self, name: str, profile: Column) -> None:
        from pyspark.sql import functions as F

        column = F.col(quote(name))
        if self.kinds[name].typeName() != "string":
            if self.kinds[name].typeName() in ("double", "float") and self.fill is not None:
                column = F.when(~F.isnan(column), column)
            self._use(name, "number", column, profile)
            return
        value = (
            plain_number_of(name)
            if profile.is_plain
            else number_of(
                name,
                self.opened.decimal,
                self.opened.missing,
                signs=profile.has_signs,
                units=profile.used_units,
            )
        )
        self._use(name, "number", value, profile)
        self.decided += describe_numbers(name, profile)
        if wrong := profile.present - profile.numbers:
            self.decided.append(
                f"Wrong cells: {wrong} of {profile.present} values of {name} are no numbers, such as "
                f"{profile.odd!r}."
            )

    def _find_date(self, name: str, profile: Column) -> bool:
        try:
            form = find_time_form(self.opened.frame, name, None, where="data.source.features")
        except DataError as error:
            self._leave_out(name, f"it may be a date: {error}".rstrip("."))
            return True
        if form is None:
            return False
        self._add_date(name, profile, form)
        return True

    def _add_date(self, name: str, profile: Column, form: TimeForm | None) -> None:
        from pyspark.sql import functions as F

        seconds = seconds_of(name, form) if form else _moment(name, self.kinds[name].typeName())
        day = F.floor(seconds / _DAY)
        date = F.date_add(F.lit("1970-01-01").cast("date"), day.cast("int"))
        parts = {
            f"{name}.days": seconds / _DAY,
            f"{name}.month": F.month(date).cast("double"),
            f"{name}.weekday": F.weekday(date).cast("double"),
        }
        if self.kinds[name].typeName() != "date" and self._has_hours(seconds):
            parts[f"{name}.hour"] = F.floor((seconds - day * _DAY) / 3600).cast("double")
        for place, (part, value) in enumerate(parts.items()):
            if self.fill is not None:
                value = F.coalesce(value, F.lit(float(self.fill)))
            self.columns[part] = value
            if not place:
                hours = ", hour" if len(parts) == 4 else ""
                self.used.setdefault(f"date as days since 1970, month, weekday{hours}", []).append(
                    name
                )
        if form:
            self.decided.append(form.describe(name))
        if profile.missing:
            self.decided.append(
                f"Missing: {name} has no value in {profile.missing} of {profile.rows} rows."
                f"{describe_markers(profile, self.opened.missing)}"
            )

    def _has_hours(self, seconds: SparkColumn) -> bool:
        return self.opened.frame.where(seconds % _DAY != 0).limit(1).count() > 0

    def _add_category(self, name: str, profile: Column) -> None:
        from pyspark.sql import functions as F

        size = f"more than {MOST_VALUES}" if profile.many else str(len(profile.values))
        if not self._is_category(profile):
            way = "" if profile.words > 3 * profile.present else " (data.source.max_categories)"
            self._leave_out(name, f"it is text with {size} different values{way}")
            return
        names = natural_order(profile.values)
        pairs = [F.lit(x) for i, value in enumerate(names) for x in (value, float(i))]
        value = F.create_map(*pairs)[trim_text(name)]
        if self.fill is not None:
            value = F.coalesce(value, F.lit(-1.0))  # none of the categories
        self._use(name, "category", value, profile)
        self.categories[name] = names

    def _is_category(self, profile: Column) -> bool:
        size = len(profile.values)
        most = min(self.max_categories, MOST_VALUES, max(profile.present, 4) // 2)
        return not profile.many and size <= most

    def _lower(self, name: str) -> SparkColumn:
        from pyspark.sql import functions as F

        text = F.lower(trim_text(name))
        missing = [marker.lower() for marker in self.opened.missing]
        return F.when(~text.isin(*missing), text)


def names_rows(name: str, profile: Column) -> bool:
    """Whether a column is an index by its name and its values."""
    if re.fullmatch(r"__index_level_\d+__", name):
        return True
    if not _INDEX_NAME.fullmatch(name) or profile.wholes < profile.rows:
        return False
    span = (profile.high or 0) - (profile.low or 0) + 1
    # A table for each split begins anew, and ids are numbers that are not there twice.
    differ = not profile.many and len(profile.values) == profile.rows >= _FEW_ROWS
    return profile.counts_rows or differ or (profile.many and span >= profile.rows / 3)


def _is_left_out(name: str, profile: Column) -> bool:
    """Whether a column beside a list of numbers is nothing to learn from."""
    counts = profile.rows >= _FEW_ROWS and profile.counts_rows
    return not profile.present or counts or names_rows(name, profile)


def _read_list(opened: OpenTable, name: str, others: list[str]) -> Features:
    """A column of texts that are several numbers each, as one vector."""
    frame = opened.frame.withColumn(name, numbers_of(name, opened.decimal))
    said = [f"Columns used: {name}, several numbers in each cell (a vector)."]
    said += [f"Columns not used: {_list(others)}."] if others else []
    return Features(frame=frame, names=(name,), decided=tuple(said))


def _moment(name: str, kind: str) -> SparkColumn:
    from pyspark.sql import functions as F

    column = F.col(quote(name))
    if kind == "date":
        return F.datediff(column, F.lit("1970-01-01").cast("date")) * _DAY
    if kind == "timestamp_ntz":
        zoned = F.concat(column.cast("string"), F.lit("Z")).cast("timestamp")
        return F.unix_micros(zoned) / 1e6
    return F.unix_micros(column) / 1e6


def _is_scalar(kind: DataType) -> bool:
    from pyspark.sql import types as T

    scalar = (
        T.NumericType,
        T.BooleanType,
        T.StringType,
        T.DateType,
        T.TimestampType,
        T.TimestampNTZType,
    )
    return isinstance(kind, scalar)


def _is_vector(kind: DataType) -> bool:
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import types as T

    return isinstance(kind, VectorUDT) or (
        isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.NumericType)
    )


def _list(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
