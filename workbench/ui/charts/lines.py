"""Curves over epochs, distributions and bars."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Literal

from workbench.ui.charts.base import (
    COLOURS,
    GREY,
    MAX_POINTS,
    SEQUENTIAL,
    Points,
    Spec,
    number,
    thin,
)

_LEGEND_CHARACTERS = 75
"""About as many fit beside one another above a chart of half the page."""


def curves(
    lines: Mapping[str, Points],
    *,
    y_name: str = "",
    x_name: str = "epoch",
    log: bool = False,
    log_x: bool = False,
    smooth: float = 0.0,
    dashed: Sequence[str] = (),
    colour_of: Mapping[str, int] | None = None,
    marker: float | None = None,
    marker_name: str = "",
    level: tuple[str, float] | None = None,
) -> Spec:
    """One curve per name over x.

    `log_x`: x on a logarithmic axis, without what is at 0. `smooth`: weight of the past in a moving
    mean (0: none); the curve itself stays, pale. `dashed`: names drawn dashed. `colour_of`: name to colour index, so that a run keeps its
    colour. `marker`: an x to draw a vertical line at. `level`: a name and a
    height to draw a grey line at, within the range of the y axis.
    """
    chosen = colour_of or {name: index for index, name in enumerate(lines)}
    series: list[Spec] = []
    for name, points in lines.items():
        kept = thin([(x, y) for x, y in points if x > 0] if log_x else points)
        colour = COLOURS[chosen.get(name, 0) % len(COLOURS)]
        if smooth:
            series.append(_pale(name, _data(kept, log), colour))
            kept = smoothed(kept, smooth)
        series.append(
            {
                "type": "line",
                "name": name,
                "data": _data(kept, log),
                "showSymbol": len(kept) <= 30 and not smooth,
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
            "lineStyle": {"color": GREY, "type": "dotted"},
            "label": {"formatter": marker_name, "color": GREY, "position": "end"},
            "data": [{"xAxis": marker}],
        }
    if level is not None and (span := sorted({x for p in lines.values() for x, _ in p})):
        series.append(_level(*level, [x for x, _ in thin([(x, 0.0) for x in span])]))
        lines = {**lines, level[0]: [(span[0], level[1])]}
    x_ends: Spec = {
        "min": "dataMin" if log_x or x_name in ("epoch", "step") else 0,
        "max": "dataMax",
    }
    if not log_x and len(only := {x for points in lines.values() for x, _ in points}) == 1:
        x_ends = {"min": min(only) - 1, "max": max(only) + 1}  # a dot in the middle
    # Every name is to be seen: a legend of several rows, the chart below it.
    top = 14 + 22 * max(1, -(-sum(len(name) + 7 for name in lines) // _LEGEND_CHARACTERS))
    return {
        "animation": False,
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"top": 0, "left": 0, "show": len(lines) > 1},
        "grid": {"left": 8, "right": 16, "top": top, "bottom": 28, "containLabel": True},
        "xAxis": {
            "type": "log" if log_x else "value",
            "name": x_name,
            "nameLocation": "middle",
            "nameGap": 26,
            "minInterval": 1 if x_name == "epoch" else 0,
            **x_ends,
        },
        "yAxis": {
            "type": "log" if log else "value",
            "name": y_name if len(lines) < 2 else "",
            "scale": True,
            **({} if log else _flat_range(lines)),
        },
        "series": series,
    }


def many_curves(
    lines: Mapping[str, Points], *, mode: Literal["max", "min"] | None, x_name: str = "epoch"
) -> Spec:
    """Thin lines of many runs, coloured from worst to best, with the best one and the mean over them.

    Args:
        mode: which values are the better ones; None: unknown, all lines are grey.
    """
    best_of = max if mode == "max" else min
    values = {
        name: best_of(finite)
        for name, points in lines.items()
        if (finite := [y for _, y in points if math.isfinite(y)])
    }
    order = sorted(values, key=lambda name: values[name], reverse=mode == "min")
    most = max(60, MAX_POINTS * 10 // max(1, len(order)))
    series: list[Spec] = []
    for place, name in enumerate(order):
        colour = GREY if mode is None else _between(SEQUENTIAL, place / max(1, len(order) - 1))
        kept = thin(lines[name], most)
        series.append(
            {
                "type": "line",
                "name": name,
                "data": _data(kept, False),
                "symbolSize": 4,
                "showSymbol": len(kept) <= 60,
                "color": colour,
                "lineStyle": {"width": 1, "opacity": 0.55},
                "itemStyle": {"opacity": 0.55},
                "emphasis": {"focus": "series", "lineStyle": {"width": 3, "opacity": 1}},
            }
        )
    legend = []
    if mode is not None and order:
        legend.append(f"best: {order[-1]}")
        series.append(_over(legend[-1], lines[order[-1]], COLOURS[1], "solid"))
    if mean := _mean(lines):
        legend.append(f"mean of {len(order)}")
        series.append(_over(legend[-1], mean, COLOURS[3], "dashed"))
    return curves({}, x_name=x_name) | {
        "series": series,
        "tooltip": {"trigger": "item", "confine": True},
        "legend": {"top": 0, "left": 0, "data": legend},
        "grid": {"left": 8, "right": 16, "top": 36, "bottom": 28, "containLabel": True},
    }


def _over(name: str, points: Points, colour: str, kind: str) -> Spec:
    return {
        "type": "line",
        "name": name,
        "data": _data(thin(points), False),
        "showSymbol": False,
        "color": colour,
        "lineStyle": {"width": 3, "type": kind},
        "z": 10,
    }


def _mean(lines: Mapping[str, Points]) -> list[tuple[float, float]]:
    """The mean over the lines at each x that at least half of them have."""
    at: dict[float, list[float]] = {}
    for points in lines.values():
        for x, y in points:
            if math.isfinite(y):
                at.setdefault(x, []).append(y)
    return [(x, sum(ys) / len(ys)) for x, ys in sorted(at.items()) if 2 * len(ys) >= len(lines)]


def _between(colours: Sequence[str], share: float) -> str:
    """The colour at a share of the way along several."""
    at = share * (len(colours) - 1)
    left = min(int(at), len(colours) - 2)
    parts = [
        round(
            (1 - (at - left)) * int(colours[left][i : i + 2], 16)
            + (at - left) * int(colours[left + 1][i : i + 2], 16)
        )
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)


def smoothed(points: Points, weight: float) -> list[tuple[float, float]]:
    """The exponential moving mean of a curve, without the pull towards 0 of its first values."""
    mean = total = 0.0
    means: list[tuple[float, float]] = []
    for x, y in points:
        if math.isfinite(y):
            mean = weight * mean + (1 - weight) * y
            total = weight * total + (1 - weight)
        means.append((x, mean / total if total and math.isfinite(y) else math.nan))
    return means


def _data(points: Points, log: bool) -> list[list[float | None]]:
    return [[x, number(y) if not log or y > 0 else None] for x, y in points]


def _pale(name: str, data: list[list[float | None]], colour: str) -> Spec:
    return {
        "type": "line",
        "name": name,
        "data": data,
        "showSymbol": False,
        "color": colour,
        "lineStyle": {"width": 1, "opacity": 0.3},
        "tooltip": {"show": False},
        "silent": True,
    }


def _level(name: str, height: float, span: Sequence[float]) -> Spec:
    """A grey line at one height, with a point at each x, so that the tooltip has it everywhere."""
    return {
        "type": "line",
        "name": name,
        "data": [[x, number(height)] for x in span],
        "showSymbol": False,
        "color": GREY,
        "lineStyle": {"width": 1, "type": "dotted"},
        "silent": True,
    }


def _flat_range(lines: Mapping[str, Points]) -> Spec:
    """The ends of an axis for curves that do not change: close around the value."""
    values = [y for points in lines.values() for _, y in points if math.isfinite(y)]
    if not values or max(values) - min(values) > 1e-9 * max(1e-300, abs(values[0])):
        return {}
    value = values[0]
    pad = abs(value) * 0.05 or 0.05
    share = 0 <= value <= 1
    low, high = value - pad, value + pad
    return {
        "min": float(f"{max(0.0, low) if share else low:.3g}"),
        "max": float(f"{min(1.0, high) if share else high:.3g}"),
    }


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
            "axisLabel": {"alignMinLabel": "left", "alignMaxLabel": "right"},
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
        {"value": number(v), "itemStyle": {"color": COLOURS[0] if v >= 0 else COLOURS[3]}}
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
