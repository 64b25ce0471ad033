"""Values by row and column as colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.ui.charts.base import (
    GREY,
    SEQUENTIAL,
    Spec,
    number,
)


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
                "value": [c, r, number(values[r, c], "-")],
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
        "emphasis": {"itemStyle": {"borderColor": GREY, "borderWidth": 2}},
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
            "top": 30 if y_name else 12,
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
            "text": [f"{highest:.3g}", f"{lowest:.3g}"],
            "orient": "vertical",
            "right": 0,
            "top": "middle",
            "itemHeight": 110,
            "itemWidth": 12,
            "inRange": {"color": list(colours)},
            "textStyle": {"color": GREY},
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
