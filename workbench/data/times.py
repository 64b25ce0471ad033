"""Times that are text: their form is found from all rows, or is a setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nets.errors import ConfigError
from workbench.data.columns import quote
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Order = Literal["year", "day", "month"]

_ZONE = r"(Z|UTC|GMT|[+-]\d{2}:?\d{2})"
_NAMED_ZONE = (
    r"^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[T ,]+\d{1,2}:\d{2}[^ A-Za-z]*\s*([AaPp]\.?[Mm]\.?)?\s*"
    r"\[?([A-Za-z]+/[A-Za-z_/+-]+|[A-Z]{3,5})\]?\s*$"
)
"""A time with CET, Europe/Berlin or the like after it."""
_PATTERN = (
    r"^\s*(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})"
    r"(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*([AaPp]\.?[Mm]\.?)?\s*"
    + _ZONE
    + r"?)?\s*$"
)
COMPACT = r"^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"
"""20240329, which is no count of anything where all values have this form."""
PERIOD = r"^\s*(?:(\d{4})[-/ ]?([QqMmWw])(\d{1,2})|[Qq]([1-4])[-/ ]?(\d{4}))\s*$"
"""2021Q1, 2021-Q1, Q1 2021; 2021M01; 2021-W05 (a week of ISO 8601)."""
_DAY = 86_400
YEARS = ("year", "yr", "yyyy")
"""Names of a column of years, where a date is in parts."""


@dataclass(frozen=True, kw_only=True)
class TimeForm:
    """How a column of text writes times."""

    order: Order
    """Which part of a date comes first."""
    offsets: bool = False
    """Whether times have an offset (+02:00) or Z: they are instants then."""
    compact: bool = False
    """Dates are eight digits."""
    periods: bool = False
    """Quarters, months or weeks of a year, each read as its first day."""
    format: str | None = None
    """Python's format, where it is a setting."""

    def describe(self, name: str) -> str:
        """A sentence for a person."""
        if self.format:
            return f"Times: {name} is read as {self.format}."
        if self.periods:
            return f"Times: {name} is read as quarters, months or weeks, each by its first day."
        form = "eight digits (20240329)" if self.compact else f"dates with the {self.order} first"
        zone = "; times with an offset are instants" if self.offsets else ""
        return f"Times: {name} is read as {form}{zone}."


def split_name(name: str) -> tuple[str, ...]:
    """The columns of a time: `Date+Time` and `year+month+day+hour` are several."""
    return tuple(part.strip() for part in name.split("+"))


def join_parts(names: tuple[str, ...]) -> Column:
    """A time that lies in several columns as one text: year, month, day, hour, minute, second as
    numbers in this order; or a date and a clock time."""
    from pyspark.sql import functions as F

    texts = [F.trim(F.col(quote(name)).cast("string")) for name in names]
    if names[0].lower() not in YEARS:
        clock = F.regexp_replace(texts[-1], r"^(\d{1,2})\.(\d{2})", "$1:$2")  # 18.00.00
        clock = F.regexp_replace(clock, r"^(\d{1,2}:\d{2})\.(\d{2})$", "$1:$2")
        joined = [part for text in (*texts[:-1], clock) for part in (F.lit(" "), text)]
        return F.concat(*joined[1:])  # null where a part is: a date alone would be midnight
    whole = [F.regexp_replace(text, r"\.0+$", "") for text in texts]
    fits = [F.when(whole[0].rlike(r"^\d{4}$"), whole[0])]
    fits += [F.when(part.rlike(r"^\d{1,2}$"), F.lpad(part, 2, "0")) for part in whole[1:]]
    filled = fits + [F.lit(one) for one in ("01", "01", "00", "00", "00")[len(fits) - 1 :]]
    signs = map(F.lit, ("-", "-", " ", ":", ":"))
    return F.concat(
        filled[0], *(each for pair in zip(signs, filled[1:], strict=True) for each in pair)
    )


def find_time_form(
    frame: DataFrame, name: str, setting: str | None, *, where: str
) -> TimeForm | None:
    """The form of a column of text; None where its values are numbers, or of no form that is known.

    Args:
        setting: Python's format (`%d/%m/%Y %H:%M`); None: found.
        where: for the message: the setting's path, as `data.source.time_format`.

    Raises:
        DataError: dates can be read with the day or the month first, and no row tells; or times name
            their zone.
        ConfigError: the setting is no format.
    """
    from pyspark.sql import functions as F

    if setting is not None:
        if "%" not in setting:
            raise ConfigError(
                f"{where} must be a format such as %d/%m/%Y %H:%M (as Python's strptime takes it), got "
                f"{setting!r}."
            )
        if "%Z" in setting:
            raise ConfigError(
                f"{where} must not have %Z, got {setting!r}: names of zones are read in no way that holds "
                "everywhere. Write offsets (%z, as +0200) into the data."
            )
        return TimeForm(order="year", format=setting)
    text = F.col(quote(name))
    first, second, third = (F.regexp_extract(text, _PATTERN, i) for i in (1, 2, 3))
    dated = text.rlike(_PATTERN)
    open_date = dated & (F.length(first) < 3)
    row = frame.agg(
        F.count(text).alias("rows"),
        F.sum(dated.cast("long")).alias("dated"),
        F.sum(open_date.cast("long")).alias("open"),
        F.max(F.when(open_date, first.cast("int"))).alias("first"),
        F.max(F.when(open_date, second.cast("int"))).alias("second"),
        F.max(F.when(open_date & (F.length(third) < 3), 1).otherwise(0)).alias("short"),
        F.max(text.rlike(r"^\s*\d{1,2}\.").cast("int")).alias("dots"),
        F.max((dated & text.rlike(_ZONE + r"\s*$") & text.contains(":")).cast("int")).alias("zone"),
        F.sum(text.rlike(COMPACT).cast("long")).alias("compact"),
        F.sum(text.rlike(PERIOD).cast("long")).alias("periods"),
        F.min(F.when(open_date, text)).alias("example"),
        F.min(F.when(~dated & text.rlike(_NAMED_ZONE), text)).alias("named"),
    ).collect()[0]
    if not row["rows"]:
        return None
    if row["named"] is not None:
        raise DataError(
            f"Times of the column {name!r}, such as {row['named']!r}, name their zone, which is not read. "
            "Write offsets (2024-03-29 12:00+01:00) or UTC into the data, or take the zone off."
        )
    if row["compact"] == row["rows"]:
        return TimeForm(order="year", compact=True)
    if row["periods"] == row["rows"]:
        return TimeForm(order="year", periods=True)
    if not row["dated"]:
        return None
    zone = bool(row["zone"])
    if not row["open"]:
        return TimeForm(order="year", offsets=zone)
    if row["first"] > 12 >= row["second"] or (row["first"] <= 12 and row["dots"]):
        return TimeForm(order="day", offsets=zone)
    if row["second"] > 12 >= row["first"]:
        return TimeForm(order="month", offsets=zone)
    what = (
        "have a first and a second part above 12"
        if row["first"] > 12
        else "can be read with the day or the month first, and no row tells which"
    )
    raise DataError(
        f"Dates of the column {name!r}, such as {row['example']!r}, {what}. Say how they are written: "
        f"--set {where}=%d/%m/%Y, or %m/%d/%Y, with %H:%M:%S where they have a time."
    )


def seconds_of(name: str, form: TimeForm) -> Column:
    """Seconds since 1970 as a double; null for text of another form.

    Times without an offset are clock times, read as UTC: in a zone with summer time, an hour would be
    missing and another one double.
    """
    from pyspark.sql import functions as F

    text = F.col(quote(name))
    if form.format is not None:
        return _parse(form.format)(text)
    if form.compact:
        date = F.to_date(text, "yyyyMMdd")
        return F.when(text.rlike(COMPACT), F.datediff(date, F.lit("1970-01-01")) * _DAY).cast(
            "double"
        )
    if form.periods:
        return F.datediff(_first_day(text), F.lit("1970-01-01").cast("date")).cast("double") * _DAY
    part = [F.regexp_extract(text, _PATTERN, i) for i in range(9)]
    year, month, day = {
        "year": (part[1], part[2], part[3]),
        "day": (part[3], part[2], part[1]),
        "month": (part[3], part[1], part[2]),
    }[form.order]
    full = F.when(
        F.length(year) == 2, year.cast("int") + F.when(year.cast("int") < 69, 2000).otherwise(1900)
    ).when(F.length(year) == 4, year.cast("int"))
    date = F.make_date(full, month.cast("int"), day.cast("int"))
    hour = F.coalesce(part[4].cast("double"), F.lit(0.0))
    afternoon = F.lower(F.substring(part[7], 1, 1))
    hour = F.when(part[7] == "", hour).otherwise(
        hour % 12 + F.when(afternoon == "p", 12.0).otherwise(0.0)
    )
    minute = F.coalesce(part[5].cast("double"), F.lit(0.0))
    second = F.coalesce(F.regexp_replace(part[6], ",", ".").cast("double"), F.lit(0.0))
    sign = F.when(part[8].startswith("-"), -1.0).otherwise(1.0)
    zone = F.regexp_extract(part[8], r"(\d{2}):?(\d{2})", 1).cast("double")
    zone_minute = F.regexp_extract(part[8], r"(\d{2}):?(\d{2})", 2).cast("double")
    offset = F.coalesce(sign * (zone * 3600 + zone_minute * 60), F.lit(0.0))
    seconds = F.datediff(date, F.lit("1970-01-01").cast("date")) * float(_DAY)
    return F.when(
        (part[0] != "") & (hour < 25), seconds + hour * 3600 + minute * 60 + second - offset
    )


def _first_day(text: Column) -> Column:
    """The first day of a quarter, month or week of `PERIOD`; null where its year has none such."""
    from pyspark.sql import functions as F

    year, kind, number, quarter, its_year = (F.regexp_extract(text, PERIOD, i) for i in range(1, 6))
    year = F.when(its_year != "", its_year).otherwise(year).cast("int")
    kind = F.when(its_year != "", "Q").otherwise(F.upper(kind))
    count = F.when(its_year != "", quarter).otherwise(number).cast("int")
    fourth = F.make_date(year, F.lit(1), F.lit(4))  # lies in week 1, as ISO 8601 has it
    monday = F.date_add(fourth, -F.weekday(fourth) + 7 * (count - 1))
    return (
        F.when(kind == "W", F.when(F.weekofyear(monday) == count, monday))
        .when(kind == "M", F.make_date(year, count, F.lit(1)))
        .when(count <= 4, F.make_date(year, 3 * count - 2, F.lit(1)))
    )


def _parse(form: str):  # type: ignore[no-untyped-def]
    from pyspark.sql import functions as F

    def parse(text: str | None) -> float | None:
        import datetime as dt

        if text is None:
            return None
        try:
            moment = dt.datetime.strptime(text.strip(), form)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return moment.timestamp()

    return F.udf(parse, "double")
