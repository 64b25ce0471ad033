"""Whether a table is a series, a row per step: guessed from its first rows."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import Any

from workbench.data.csv_config import MISSING
from workbench.data.dialect import is_number

Cells = dict[str, list[str]]
"""Cells of the first rows as text, by column."""

_TIMES = re.compile(
    r"(?i)(date|time|datetime|date_?time|timestamp|time_?stamp|ds|ts|utc|month|day|hour|period|"
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
    time, times = _find_time(columns)
    if time is None or len(times) < _MIN_ROWS:
        return None
    entity = _find_entity(columns, time, times)
    groups = columns[entity] if entity else [""] * len(times)
    if not _goes_up(times, groups):
        return None
    others = [name for name in columns if name not in (time, entity)]
    numeric = [
        n for n in others if _is_measured(columns[n]) and not n.lower().startswith("unnamed")
    ]
    settings: dict[str, Any] = {"time_column": time}
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


def _find_time(columns: Cells) -> tuple[str | None, list[float]]:
    """The column of times, and its values; by its name, or the first one of dates."""
    named = [name for name in columns if _TIMES.fullmatch(name.strip())]
    dated = [name for name, cells in columns.items() if cells and _DATE.match(cells[0])]
    for name in [*named, *dated[:1]]:
        if times := _parse(columns[name], numbers=name in named):
            return name, times
    return None, []


def _parse(cells: list[str], *, numbers: bool) -> list[float]:
    """Seconds, or the numbers themselves; empty where a cell is neither."""
    present = [cell for cell in cells if cell not in MISSING]
    if len(present) < len(cells):
        return []
    if all(is_number(cell, ".") for cell in cells):
        return [float(cell.replace(",", "")) for cell in cells] if numbers else []
    for order in ("ymd", "dmy", "mdy"):
        try:
            times = [_read_date(cell, order) for cell in cells]
        except ValueError:
            continue
        if order == "ymd" or all(a <= b for a, b in pairwise(times)):
            return times
    return []


def _read_date(text: str, order: str) -> float:
    match = _DATE.match(text)
    if match is None:
        raise ValueError(text)
    parts = dict(zip(order, match.groups()[:3], strict=True))
    if len(parts["y"]) not in (2, 4) or (order == "ymd" and len(parts["y"]) != 4):
        raise ValueError(text)
    year = int(parts["y"]) + (2000 if len(parts["y"]) == 2 else 0)
    date = f"{year:04}-{int(parts['m']):02}-{int(parts['d']):02}"
    clock = match[4].strip(" T,")
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
    if not steps or times[0] < 86_400:
        return None
    step = max(set(steps), key=steps.count)
    if _MONTH[0] <= step <= _MONTH[1]:
        return 12
    if _QUARTER[0] <= step <= _QUARTER[1]:
        return 4
    weekend = steps.count(3 * 86_400)
    return 5 if step == 86_400 and weekend * 8 > len(steps) else _SEASONS.get(round(step))


def _length(rows: float, horizon: int, most: int) -> int:
    """Steps of a window: a split of a tenth of the rows holds a window and its horizon."""
    return int(max(2, min(most, rows / 12 - horizon)))
