"""Apache ECharts options for what the pages draw, as plain dictionaries.

ECharts comes with Streamlit, draws on a canvas (no WebGL), follows the light and dark theme, and
reports clicks on a cell of a heat map, which decides what opens next.
"""

from __future__ import annotations

from workbench.ui.charts._heatmap import heatmap
from workbench.ui.charts.base import (
    COLOURS,
    DIVERGING,
    GREY,
    LINES,
    MAX_POINTS,
    RISK,
    SEQUENTIAL,
    Points,
    Spec,
    diverging,
    from_ground,
    thin,
)
from workbench.ui.charts.figure import draw
from workbench.ui.charts.lines import bars, curves, histogram, many_curves
from workbench.ui.charts.trials import axis, front, parallel, scatter, timeline

__all__ = [
    "COLOURS",
    "DIVERGING",
    "GREY",
    "LINES",
    "MAX_POINTS",
    "RISK",
    "SEQUENTIAL",
    "Points",
    "Spec",
    "axis",
    "bars",
    "curves",
    "diverging",
    "draw",
    "from_ground",
    "front",
    "heatmap",
    "histogram",
    "many_curves",
    "parallel",
    "scatter",
    "thin",
    "timeline",
]
