"""The trials of a sweep: by their settings, and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from workbench.ui.charts.base import (
    COLOURS,
    GREY,
    LINES,
    Spec,
    number,
)

Scale = Literal["number", "log", "category"]


def axis(kind: Scale, values: Sequence[Any]) -> Spec:
    """An axis for values; a logarithmic one of a narrow range has ticks at powers of two."""
    if kind == "category":
        return {"type": "category"}
    if kind == "number":
        return {"type": "value", "scale": True}
    numbers = [float(v) for v in values if v is not None and 0 < float(v) < math.inf]
    narrow = bool(numbers) and max(numbers) / min(numbers) <= 64
    return {"type": "log", "logBase": 2 if narrow else 10}


def scatter(
    points: Sequence[Sequence[Any]],
    *,
    x_name: str = "",
    y_name: str = "",
    x_axis: Spec | None = None,
) -> Spec:
    """A dot per (x, y)."""
    return {
        "animation": False,
        "tooltip": {"trigger": "item", "confine": True},
        "grid": {"left": 8, "right": 16, "top": 34, "bottom": 30, "containLabel": True},
        "xAxis": {
            "name": x_name,
            "nameLocation": "middle",
            "nameGap": 26,
            **(x_axis or {"type": "value", "scale": True}),
        },
        "yAxis": {"type": "value", "scale": True, "name": y_name},
        "series": [
            {
                "type": "scatter",
                "data": [list(point) for point in points],
                "symbolSize": 9,
                "color": COLOURS[0],
            }
        ],
    }


def front(
    points: Sequence[Sequence[float]], on_front: Sequence[bool], *, x_name: str, y_name: str
) -> Spec:
    """A dot per (x, y), in the order of x; those on the front in colour, joined by a line."""
    spec = scatter(points, x_name=x_name, y_name=y_name)
    marked = [list(point) for point, on in zip(points, on_front, strict=True) if on]
    others = [list(point) for point, on in zip(points, on_front, strict=True) if not on]
    spec["series"] = [
        {"type": "scatter", "name": "beaten", "data": others, "symbolSize": 8, "color": GREY},
        {
            "type": "line",
            "name": "on the front",
            "data": marked,
            "symbolSize": 10,
            "color": COLOURS[0],
        },
    ]
    return spec | {"legend": {"top": 0, "right": 0}}


def parallel(
    rows: Sequence[Sequence[Any]],
    axes: Sequence[tuple[str, Scale]],
    *,
    colour_by: int,
    colours: Sequence[str] = LINES,
) -> Spec:
    """Parallel coordinates: a line per row over the axes, coloured by the value on one of them.

    Drag along an axis to select the lines that cross there; click the axis to clear it.
    """
    dimensions: list[Spec] = []
    for index, (name, kind) in enumerate(axes):
        dimension: Spec = {"dim": index, "name": name, "nameTextStyle": {"fontSize": 11}}
        if kind == "category":
            seen = sorted({str(row[index]) for row in rows if row[index] is not None})
            dimension |= {"type": "category", "data": seen}
            # Lines cross at a category's label: it has a ground of its own, in light and in dark
            dimension["axisLabel"] = {
                "backgroundColor": "#5a6270",
                "color": "#ffffff",
                "textBorderWidth": 0,
                "padding": [2, 4],
            }
            dimension["z"] = 20
        else:
            dimension |= axis(kind, [row[index] for row in rows])
        dimensions.append(dimension)
    coloured = [v for row in rows if (v := row[colour_by]) is not None and math.isfinite(v)]
    data = [
        [
            (None if v is None else str(v)) if kind == "category" else number(v)
            for v, (_, kind) in zip(row, axes, strict=True)
        ]
        for row in rows
    ]
    return {
        "animation": False,
        # With brushLink, a range on an axis reports the rows that cross it; no other brush is needed.
        "brush": {"brushLink": "all", "throttleType": "debounce", "throttleDelay": 150},
        "toolbox": {"show": False},
        "parallelAxis": dimensions,
        "parallel": {
            "left": 50,
            "right": 90,
            "top": 50,
            "bottom": 24,
            "parallelAxisDefault": {"areaSelectStyle": {"width": 18, "color": "#3b6fd8"}},
        },
        "visualMap": {
            "show": True,
            "dimension": colour_by,
            "min": min(coloured, default=0),
            "max": max(coloured, default=1),
            "precision": 3,
            "text": [
                f"{number(max(coloured, default=1)):.3g}",
                f"{number(min(coloured, default=0)):.3g}",
            ],
            "right": 0,
            "top": "middle",
            "itemHeight": 110,
            "itemWidth": 12,
            "inRange": {"color": list(colours)},
            "textStyle": {"color": GREY},
        },
        "series": [
            {
                "type": "parallel",
                "lineStyle": {"width": 2, "opacity": 0.75},
                "inactiveOpacity": 0.06,
                "data": data,
            }
        ],
    }


def timeline(
    names: Sequence[str], starts: Sequence[float], lengths: Sequence[float], states: Sequence[str]
) -> Spec:
    """A bar per name from its start, `lengths` long, in seconds; coloured by state."""
    colour = {
        "FINISHED": COLOURS[2],
        "RUNNING": COLOURS[0],
        "STOPPED": COLOURS[1],
        "FAILED": COLOURS[3],
        "KILLED": COLOURS[8],
    }
    word = {state: state.lower() for state in colour}
    word |= {"STOPPED": "stopped early", "KILLED": "stopped"}
    present = [s for s in colour if s in states]
    shown: list[Spec] = [
        {
            "type": "bar",
            "stack": "time",
            "silent": True,
            "itemStyle": {"color": "transparent"},
            "data": [round(s, 2) for s in starts],
            "tooltip": {"show": False},
            "barMaxWidth": 16,
        }
    ]
    for state in present:
        shown.append(
            {
                "type": "bar",
                "stack": "time",
                "name": word[state],
                "color": colour[state],
                "barMaxWidth": 16,
                "data": [
                    round(length, 2) if s == state else None
                    for length, s in zip(lengths, states, strict=True)
                ],
            }
        )
    return {
        "animation": False,
        "tooltip": {"trigger": "item", "confine": True, "valueFormatter": "%.1f s"},
        "legend": {"top": 0, "left": 0, "data": [word[s] for s in present]},
        "grid": {"left": 8, "right": 24, "top": 34, "bottom": 30, "containLabel": True},
        "xAxis": {
            "type": "value",
            "name": "seconds since the sweep began",
            "nameLocation": "middle",
            "nameGap": 26,
        },
        "yAxis": {"type": "category", "inverse": True, "data": list(names)},
        "series": shown,
    }
