"""Curves over epochs, distributions and bars."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from workbench.ui.charts.base import (
    COLOURS,
    GREY,
    Points,
    Spec,
    number,
    thin,
)


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
        kept = thin(points)
        data = [[x, number(y) if not log or y > 0 else None] for x, y in kept]
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
            "lineStyle": {"color": GREY, "type": "dotted"},
            "label": {"formatter": marker_name, "color": GREY, "position": "end"},
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
