"""Whether a table is a series, a row per step: guessed from its first rows."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import Any

from workbench.data.csv_config import MISSING
from workbench.data.number_text import is_number, parse_number
from workbench.data.times import COMPACT, PERIOD, YEARS, split_name

Cells = dict[str, list[str]]
"""Cells of the first rows as text, by column."""

_TIMES = re.compile(
    r"(?i)(date|time|datetime|date_?time|timestamp|time_?stamp|ds|ts|utc|month|day|hour|period|year|"
    r".*[ _.](date|time|timestamp)|(date|time|timestamp)[ _.(].*)"
)
_ENTITIES = (
    *("unique_id", "series_id", "entity", "entity_id", "id", "item_id", "item", "store", "symbol"),
    *("ticker", "station", "sensor", "sensor_id", "device", "device_id", "machine", "machine_id"),
    *("patient", "patient_id", "subject", "subject_id", "unit", "unit_id", "location", "city"),
    *("country", "meter", "meter_id", "household", "user", "user_id", "session", "session_id"),
)
_TARGETS = (
    *("y", "target", "value", "label", "close", "demand", "load", "sales", "consumption", "power"),
    *("price", "traffic", "temperature", "temp", "count", "passengers", "quality", "outcome"),
)
_DATE = re.compile(r"\s*(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(.*)")
_FORMS = (
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d/%b/%Y", "%b %d, %Y", "%B %d, %Y"),
    *("%b %d %Y", "%B %d %Y", "%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%Y-%b"),
)
_CLOCK = re.compile(r"\s*\d{1,2}[:.]\d{2}([:.]\d{2})?\s*")
_ZONE_NAME = re.compile(r"\s+\[?([A-Za-z]+/[A-Za-z_/+-]+|(?!UTC|GMT)[A-Z]{3,5})\]?$")
"""The reader of series refuses it, and says why."""
_SEASONS = {60: 60, 600: 144, 900: 96, 1800: 48, 3600: 24, 86_400: 7}
"""Steps after which values repeat, by the seconds of a step: an hour of minutes, a day, a week."""
_MONTH, _QUARTER = (28 * 86_400, 31 * 86_400), (90 * 86_400, 92 * 86_400)
_LONGEST = 96
_MIN_ROWS = 20
_MIN_RUN = 10
"""Rows of one class after another, on average, in a series of states."""


def guess_series(columns: Cells, label: str | None, num_rows: int) -> dict[str, Any] | None:
    """Settings of a series; None: the table is none.

    It is one where a column named as times are has times that go up from row to row (of each entity),
    and where the label is measured, there is none, or it stays the same over many rows.

    Args:
        label: the column that is named as labels are.
        num_rows: rows of the table, about; windows are short enough that a tenth of them holds one.
    """
    joined = _join_parts(columns)
    time, times = _find_time(joined or columns)
    if time is None or len(times) < _MIN_ROWS:
        joined = {}
        time, times = _find_time(columns)
    if time is None or len(times) < _MIN_ROWS:
        return None
    form = _find_form(columns[time]) if time in columns else None
    if times[0] > times[-1]:  # the newest row first, as exchanges write them
        columns = {name: cells[::-1] for name, cells in columns.items()}
        times = times[::-1]
    entity = _find_entity(columns, time, times)
    groups = columns[entity] if entity else [""] * len(times)
    if not _goes_up(times, groups) and (entity or not _nearly_goes_up(times)):
        return None
    parts = split_name(time) if joined else ()
    others = [name for name in columns if name not in (time, entity, *parts)]
    numeric = [
        n for n in others if _is_measured(columns[n]) and not n.lower().startswith("unnamed")
    ]
    settings: dict[str, Any] = {"time_column": time}
    if form is not None:
        settings["time_format"] = form
    if entity:
        settings["entity_column"] = entity
    rows = num_rows / max(1, len(set(groups)))
    state = _find_state(columns, others, label)
    if state is not None and [n for n in numeric if n != state]:
        return {**settings, "label_column": state, "length": _length(rows, 0, 64)}
    if not numeric or (label is not None and label not in numeric):
        return None
    if label is not None and len(set(columns[label])) * 4 < len(columns[label]):
        return None  # few different numbers are classes
    target = label or next(
        (n for name in _TARGETS for n in numeric if n.lower() == name), numeric[-1]
    )
    season = _find_season(times, groups)
    if season is not None and rows < 15 * season:
        season = None
    horizon = season if season is not None and season <= 48 else 1
    length = _length(rows, horizon, max(_LONGEST, 2 * (season or 0)))
    settings |= {"targets": [target], "length": length, "horizon": horizon}
    return settings | ({"season": season} if season is not None and season <= length else {})


def _join_parts(columns: Cells) -> Cells:
    """A time that lies in several columns: year, month, day, hour; or a date and a clock time."""
    lower = {name.lower().strip(): name for name in columns}
    year = next((lower[name] for name in YEARS if name in lower), None)
    if year is not None and "month" in lower:
        names = [year]
        for name in ("month", "day", "hour", "minute", "second"):
            if name not in lower:
                break
            names.append(lower[name])
        rows = zip(*(columns[name] for name in names), strict=True)
        return {"+".join(names): [_write_time(row) for row in rows]}
    clocks = [
        name for name, cells in columns.items() if cells and all(map(_CLOCK.fullmatch, cells))
    ]
    dates = [
        name
        for name, cells in columns.items()
        if name not in clocks
        and cells
        and (match := _DATE.match(cells[0]))
        and not match[4].strip()
    ]
    if len(clocks) != 1 or len(dates) != 1:
        return {}
    pairs = zip(columns[dates[0]], columns[clocks[0]], strict=True)
    cells = [f"{date.strip()} {clock.strip().replace('.', ':')}" for date, clock in pairs]
    return {f"{dates[0]}+{clocks[0]}": cells}


def _write_time(row: tuple[str, ...]) -> str:
    parts = [part.strip().removesuffix(".0") for part in row]
    year, month, day, hour, minute, second = [*parts, *("1", "1", "0", "0", "0")[len(parts) - 1 :]]
    return f"{year}-{month:0>2}-{day:0>2} {hour:0>2}:{minute:0>2}:{second:0>2}"


def _find_time(columns: Cells) -> tuple[str | None, list[float]]:
    """The column of times, and its values; by its name, or the first one of dates."""
    named = [name for name in columns if _TIMES.fullmatch(name.strip()) or "+" in name]
    dated = [
        name
        for name, cells in columns.items()
        if cells and (_DATE.match(cells[0]) or re.match(PERIOD, cells[0]) or _find_form(cells))
    ]
    for name in [*named, *dated[:1]]:
        if times := _parse(columns[name], numbers=name in named):
            return name, times
    return None, []


def _parse(cells: list[str], *, numbers: bool) -> list[float]:
    """Seconds, or the numbers themselves; empty where a cell is neither."""
    present = [cell for cell in cells if cell not in MISSING]
    if len(present) < len(cells):
        return []
    if numbers and all(re.match(COMPACT, cell.strip()) for cell in cells):
        cells = [f"{c[:4]}-{c[4:6]}-{c[6:]}" for c in map(str.strip, cells)]
    if all(is_number(cell, ".") for cell in cells):
        return [parse_number(cell, ".") for cell in cells] if numbers else []
    if all(re.match(PERIOD, cell) for cell in cells):
        return [_read_period(cell) for cell in cells]
    if form := _find_form(cells):
        moments = [dt.datetime.strptime(cell.strip(), form) for cell in cells]
        return [moment.replace(tzinfo=dt.UTC).timestamp() for moment in moments]
    for order in ("ymd", "dmy", "mdy"):
        try:
            times = [_read_date(cell, order) for cell in cells]
        except ValueError:
            continue
        if order == "ymd" or all(a <= b for a, b in pairwise(times)):
            return times
    return []


def _read_period(text: str) -> float:
    """Seconds of the first day of 2021Q1, 2021M01 or 2021-W05; 0 where its year has none such."""
    year, kind, number, quarter, its_year = re.match(PERIOD, text).groups()  # type: ignore[union-attr]
    kind, count = (kind or "Q").upper(), int(number or quarter)
    try:
        if kind == "W":
            day = dt.date.fromisocalendar(int(year), count, 1)
        else:
            month = count if kind == "M" else 3 * count - 2
            day = dt.date(int(year or its_year), month, 1)
    except ValueError:
        return 0.0
    return (day - dt.date(1970, 1, 1)).total_seconds()


def _find_form(cells: list[str]) -> str | None:
    """Python's format of dates with names of months, or without days, that all cells have."""
    for date in _FORMS:
        for clock in ("", " %H:%M", " %H:%M:%S"):
            try:
                for cell in cells:
                    dt.datetime.strptime(cell.strip(), date + clock)
            except ValueError:
                continue
            return date + clock
    return None


def _read_date(text: str, order: str) -> float:
    match = _DATE.match(text)
    if match is None:
        raise ValueError(text)
    parts = dict(zip(order, match.groups()[:3], strict=True))
    if len(parts["y"]) not in (2, 4) or (order == "ymd" and len(parts["y"]) != 4):
        raise ValueError(text)
    year = int(parts["y"]) + (2000 if len(parts["y"]) == 2 else 0)
    date = f"{year:04}-{int(parts['m']):02}-{int(parts['d']):02}"
    clock = _ZONE_NAME.sub("", match[4].lstrip(" T,").rstrip(" ,"))
    afternoon = re.fullmatch(r"(\d{1,2})(:.*?)\s*([AaPp])\.?[Mm]\.?", clock)
    if afternoon:
        hour = int(afternoon[1]) % 12 + 12 * (afternoon[3] in "Pp")
        clock = f"{hour:02}{afternoon[2]}"
    clock = f"0{clock}" if re.match(r"\d:", clock) else clock
    clock = clock.replace(" UTC", "Z").replace(",", ".")
    moment = dt.datetime.fromisoformat(f"{date} {clock}" if clock else date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _find_entity(columns: Cells, time: str, times: list[float]) -> str | None:
    named = [n for name in _ENTITIES for n in columns if n.lower() == name and n != time]
    for name in named:
        cells = columns[name]
        if len(set(cells)) * 3 < len(cells) and _goes_up(times, cells):
            return name
    if _goes_up(times, [""] * len(times)):
        return None
    texts = [
        name
        for name, cells in columns.items()
        if name != time and len(set(cells)) * 3 < len(cells) and _goes_up(times, cells)
    ]
    return texts[0] if len(texts) == 1 else None


def _goes_up(times: list[float], groups: list[str]) -> bool:
    last: dict[str, float] = {}
    for time, group in zip(times, groups, strict=True):
        if group in last and time <= last[group]:
            return False
        last[group] = time
    return True


def _nearly_goes_up(times: list[float]) -> bool:
    """The same but for a fiftieth of the rows, which are repeated or a little late, as loggers have them."""
    steps = [b - a for a, b in pairwise(times)]
    usual = max(set(steps), key=steps.count)
    wrong = [step for step in steps if step <= 0]
    return usual > 0 and len(wrong) * 50 <= len(times) and min(wrong, default=0) >= -3 * usual


def _is_measured(cells: list[str]) -> bool:
    present = [cell for cell in cells if cell not in MISSING]
    return bool(present) and sum(is_number(c, ",") for c in present) > 0.9 * len(present)


def _find_state(columns: Cells, others: list[str], label: str | None) -> str | None:
    """A column of classes that stay the same over many rows: the label, or one of text."""
    for name in [label] if label else others:
        cells = columns[name]
        runs = 1 + sum(a != b for a, b in pairwise(cells))
        few = 1 < len(set(cells)) <= max(2, len(cells) // 20)
        if few and runs * _MIN_RUN <= len(cells) and (label or not _is_measured(cells)):
            return name
    return None


def _find_season(times: list[float], groups: list[str]) -> int | None:
    """Steps of a season by the usual time between rows; None where times are no clock times."""
    steps = [b - a for (a, g), (b, h) in pairwise(zip(times, groups, strict=True)) if g == h]
    if not steps or max(map(abs, times)) < 86_400:
        return None
    step = max(set(steps), key=steps.count)
    for least, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):  # counts of parts of a second
        if times[0] > least:
            step /= unit
            break
    if _MONTH[0] <= step <= _MONTH[1]:
        return 12
    if _QUARTER[0] <= step <= _QUARTER[1]:
        return 4
    weekend = steps.count(3 * 86_400)
    return 5 if step == 86_400 and weekend * 8 > len(steps) else _SEASONS.get(round(step))


def _length(rows: float, horizon: int, most: int) -> int:
    """Steps of a window: a split of a tenth of the rows holds a window and its horizon."""
    return int(max(2, min(most, rows / 12 - horizon)))
