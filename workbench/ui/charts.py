"""Apache ECharts options for what the pages draw, as plain dictionaries.

ECharts comes with Streamlit, draws on a canvas (no WebGL), follows the light and dark theme, and
reports clicks on a cell of a heat map, which decides what opens next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Spec = dict[str, Any]
Points = Sequence[tuple[float, float]]

COLOURS = (
    "#3b6fd8", "#e0812d", "#2c9b74", "#c9455b", "#8a63c9",
    "#a8822f", "#3fa3b8", "#c46bab", "#6f7f8f", "#86a93b",
)  # fmt: skip
"""Told apart by colour-blind people and readable on white and on black."""

SEQUENTIAL = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Viridis."""
DIVERGING = ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b")
"""Blue below zero, red above."""
LINES = ("#8a63c9", "#3b6fd8", "#2c9b74", "#e0a52d")
"""Sequential, and every part of it visible as a thin line on white and on black."""
RISK = ("#2c9b74", "#e5cf6b", "#c9455b")
"""Fine, watch, bad."""

_GREY = "#8b93a1"
MAX_POINTS = 2_000
"""Longer curves are thinned before they are sent to the browser."""


def curves(
    lines: Mapping[str, Points],
    *,
    y_name: str = "",
    x_name: str = "epoch",
    log: bool = False,
    dashed: Sequence[str] = (),
    colour_of: Mapping[str, int] | None = None,
    marker: float | None = None,
    marker_name: str = "",
) -> Spec:
    """One curve per name over x.

    `dashed`: names drawn dashed. `colour_of`: name to colour index, so that a run keeps its
    colour. `marker`: an x to draw a vertical line at.
    """
    chosen = colour_of or {name: index for index, name in enumerate(lines)}
    series: list[Spec] = []
    for name, points in lines.items():
        kept = thinned(points)
        data = [[x, _number(y) if not log or y > 0 else None] for x, y in kept]
        colour = COLOURS[chosen.get(name, 0) % len(COLOURS)]
        series.append(
            {
                "type": "line",
                "name": name,
                "data": data,
                "showSymbol": len(kept) <= 30,
                "symbol": "circle",
                "symbolSize": 5,
                "color": colour,
                "lineStyle": {"width": 2, "type": "dashed" if name in dashed else "solid"},
                "emphasis": {"focus": "series"},
            }
        )
    if marker is not None and series:
        series[0]["markLine"] = {
            "silent": True,
            "symbol": "none",
            "lineStyle": {"color": _GREY, "type": "dotted"},
            "label": {"formatter": marker_name, "color": _GREY, "position": "insideEndTop"},
            "data": [{"xAxis": marker}],
        }
    return {
        "animation": False,
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"type": "scroll", "top": 0, "left": 0, "show": len(lines) > 1},
        "grid": {"left": 8, "right": 16, "top": 36, "bottom": 28, "containLabel": True},
        "xAxis": {
            "type": "value",
            "name": x_name,
            "nameLocation": "middle",
            "nameGap": 26,
            "minInterval": 1 if x_name == "epoch" else 0,
            "min": "dataMin" if x_name in ("epoch", "step") else 0,
            "max": "dataMax",
        },
        "yAxis": {
            "type": "log" if log else "value",
            "name": y_name if len(lines) < 2 else "",
            "scale": True,
        },
        "series": series,
    }


def heatmap(
    values: NDArray[Any],
    x: Sequence[Any],
    y: Sequence[Any],
    *,
    colours: Sequence[str] = SEQUENTIAL,
    low: float | None = None,
    high: float | None = None,
    x_name: str = "",
    y_name: str = "",
    show: NDArray[Any] | None = None,
    selectable: bool = False,
    bar: bool = True,
) -> Spec:
    """Cells of `values` (rows, columns), the first row on top; NaN cells stay empty.

    `show`: text in the cells. `selectable`: a click reports the cell's index, row by row.
    """
    finite = values[np.isfinite(values)]
    lowest = float(finite.min()) if low is None and finite.size else (low or 0.0)
    highest = float(finite.max()) if high is None and finite.size else (high or 1.0)
    if highest <= lowest:
        highest = lowest + 1
    rows, columns = values.shape
    data: list[Any] = []
    for r in range(rows):
        for c in range(columns):
            # A name of its own: cells are selected by name, and the default is the column's
            cell: Spec = {
                "value": [c, r, _number(values[r, c], "-")],
                "name": f"{y[r]} · {x[c]}",
            }
            if show is not None:
                dark = _is_dark(values[r, c], lowest, highest, colours)
                text = str(show[r, c])
                cell["label"] = {
                    "show": bool(text),
                    "formatter": text.replace("{", "(").replace("}", ")"),
                    "color": "#ffffff" if dark else "#1d2433",
                }
            data.append(cell if show is not None or selectable else cell["value"])
    series: Spec = {
        "type": "heatmap",
        "data": data,
        "progressive": 0,
        "itemStyle": {"borderWidth": 1 if rows * columns <= 400 else 0, "borderColor": "#00000014"},
        "emphasis": {"itemStyle": {"borderColor": _GREY, "borderWidth": 2}},
    }
    if selectable:
        series["selectedMode"] = "single"
        series["select"] = {"itemStyle": {"borderColor": "#e0812d", "borderWidth": 3}}
    return {
        "animation": False,
        "tooltip": {"position": "top", "confine": True},
        "grid": {
            "left": 8,
            "right": 64 if bar else 12,
            "top": 12,
            "bottom": 34,
            "containLabel": True,
        },
        "xAxis": {
            "type": "category",
            "data": [str(v) for v in x],
            "name": x_name,
            "nameLocation": "middle",
            "nameGap": 26,
            "splitArea": {"show": False},
        },
        "yAxis": {
            "type": "category",
            "data": [str(v) for v in y],
            "inverse": True,
            "name": y_name,
            "nameLocation": "start",
            "axisLabel": {"width": 150, "overflow": "truncate"},
        },
        "visualMap": {
            "show": bar,
            "min": lowest,
            "max": highest,
            "calculable": False,
            "precision": 3,
            "orient": "vertical",
            "right": 0,
            "top": "middle",
            "itemHeight": 110,
            "itemWidth": 12,
            "inRange": {"color": list(colours)},
            "textStyle": {"color": _GREY},
            "formatter": "{value}",
        },
        "series": [series],
    }


def _is_dark(value: float, low: float, high: float, colours: Sequence[str]) -> bool:
    if not math.isfinite(value):
        return False
    share = min(max((value - low) / (high - low), 0), 1)
    at = share * (len(colours) - 1)
    left = min(int(at), len(colours) - 2)
    rgb = [
        (1 - (at - left)) * int(colours[left][i : i + 2], 16)
        + (at - left) * int(colours[left + 1][i : i + 2], 16)
        for i in (1, 3, 5)
    ]
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] < 150


def histogram(counts: Sequence[int], edges: Sequence[float], *, name: str = "") -> Spec:
    """Bars of `counts` between `edges`, as shares of the whole."""
    total = max(1, sum(counts))
    middles = [(a + b) / 2 for a, b in itertools.pairwise(edges)]
    return {
        "animation": False,
        "tooltip": {"trigger": "axis", "confine": True, "valueFormatter": "percent"},
        "grid": {"left": 8, "right": 12, "top": 12, "bottom": 28, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": [f"{m:.3g}" for m in middles],
            "name": name,
            "nameLocation": "middle",
            "nameGap": 24,
        },
        "yAxis": {"type": "value", "axisLabel": {"show": False}, "splitNumber": 3},
        "series": [
            {
                "type": "bar",
                "name": "share of values",
                "barCategoryGap": "0%",
                "color": COLOURS[0],
                "data": [count / total for count in counts],
            }
        ],
    }


def bars(
    names: Sequence[str], values: Sequence[float], *, percent: bool = False, x_name: str = ""
) -> Spec:
    """Horizontal bars, the first on top; negative ones in the second colour."""
    data = [
        {"value": _number(v), "itemStyle": {"color": COLOURS[0] if v >= 0 else COLOURS[3]}}
        for v in values
    ]
    return {
        "animation": False,
        "tooltip": {
            "trigger": "item",
            "confine": True,
            **({"valueFormatter": "percent"} if percent else {}),
        },
        "grid": {"left": 8, "right": 48, "top": 8, "bottom": 28, "containLabel": True},
        "xAxis": {
            "type": "value",
            "name": x_name,
            "nameLocation": "middle",
            "nameGap": 24,
            **({"min": 0, "max": 1} if percent else {}),
        },
        "yAxis": {
            "type": "category",
            "data": [str(n) for n in names],
            "inverse": True,
            "axisLabel": {"width": 160, "overflow": "truncate"},
        },
        "series": [
            {
                "type": "bar",
                "data": data,
                "barMaxWidth": 18,
                "label": {"show": False},
            }
        ],
    }


def parallel(
    rows: Sequence[Sequence[Any]],
    axes: Sequence[tuple[str, Literal["number", "log", "category"]]],
    *,
    colour_by: int,
    colours: Sequence[str] = LINES,
) -> Spec:
    """Parallel coordinates: a line per row over the axes, coloured by the value on one of them.

    Drag along an axis to keep only the lines that cross there.
    """
    dimensions: list[Spec] = []
    for index, (name, kind) in enumerate(axes):
        axis: Spec = {"dim": index, "name": name, "nameTextStyle": {"fontSize": 11}}
        if kind == "category":
            seen = sorted({str(row[index]) for row in rows if row[index] is not None})
            axis |= {"type": "category", "data": seen}
        else:
            axis |= {"type": "log" if kind == "log" else "value", "scale": True}
        dimensions.append(axis)
    coloured = [v for row in rows if (v := row[colour_by]) is not None and math.isfinite(v)]
    data = [
        [
            (None if v is None else str(v)) if kind == "category" else _number(v)
            for v, (_, kind) in zip(row, axes, strict=True)
        ]
        for row in rows
    ]
    return {
        "animation": False,
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
            "right": 0,
            "top": "middle",
            "itemHeight": 110,
            "itemWidth": 12,
            "inRange": {"color": list(colours)},
            "textStyle": {"color": _GREY},
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
        "FINISHED": COLOURS[2], "RUNNING": COLOURS[0], "STOPPED": COLOURS[1],
        "FAILED": COLOURS[3], "KILLED": COLOURS[8],
    }  # fmt: skip
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
                "name": state.lower(),
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
        "legend": {"top": 0, "left": 0, "data": [s.lower() for s in present]},
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


def thinned(points: Points, limit: int = MAX_POINTS) -> list[tuple[float, float]]:
    """At most about `limit` points: the lowest and highest of each stretch, so no spike is lost."""
    if len(points) <= limit:
        return list(points)
    width = math.ceil(len(points) / (limit // 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), width):
        part = points[start : start + width]
        ends = {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept


def _number(value: Any, empty: Any = None) -> Any:
    """A JSON number, or `empty` for what is none."""
    if value is None:
        return empty
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else empty
