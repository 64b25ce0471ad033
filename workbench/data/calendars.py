"""Calendars of series: which rows are one step apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Calendar = Literal["even", "business_days", "months"]

_DAY = 86_400.0


def positions(time: NDArray[np.float64], calendar: Calendar) -> NDArray[np.float64]:
    """Places of times (seconds since 1970) on a line where steps of the calendar have one length.

    even: the times; business_days: seconds without Saturdays and Sundays; months: whole months.
    """
    if calendar == "even":
        return time
    if calendar == "months":
        return (time * 1e6).astype("datetime64[us]").astype("datetime64[M]").astype(np.float64)
    day = np.floor(time / _DAY)
    week, weekday = np.divmod(day + 3, 7)  # 1970 began on a Thursday
    return (5 * week + np.minimum(weekday, 5)) * _DAY + (time - day * _DAY)


def find_calendar(times: DataFrame, step: float) -> tuple[Calendar, float]:
    """The calendar of clock times whose most frequent distance is `step` seconds, and its own step.

    Days without a single weekend in more than a week are business days. Distances of 28 to 31 days (or
    of whole quarters or years), always on the same day of the month or on its last, are months.

    Args:
        times: columns group, time.
    """
    from pyspark.sql import functions as F

    months = round(step / (30.4375 * _DAY))
    if step != _DAY and not (months >= 1 and abs(step - months * 30.4375 * _DAY) < 4 * _DAY):
        return "even", step
    date = F.date_add(F.lit("1970-01-01").cast("date"), F.floor(F.col("time") / _DAY).cast("int"))
    row = times.agg(
        F.sum((F.weekday(date) >= 5).cast("long")).alias("weekend"),
        (F.max("time") - F.min("time")).alias("span"),
        F.count_distinct(F.dayofmonth(date)).alias("days"),
        F.min((date == F.last_day(date)).cast("int")).alias("last"),
    ).collect()[0]
    if step == _DAY:
        business = not row["weekend"] and row["span"] > 8 * _DAY
        return ("business_days", _DAY) if business else ("even", step)
    if row["days"] == 1 or row["last"]:
        return "months", float(months)
    return "even", step
