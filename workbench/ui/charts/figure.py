"""A chart on the page."""

from __future__ import annotations

from typing import Any, Literal

import streamlit as st

from workbench.ui.charts.base import Spec


def draw(
    spec: Spec,
    *,
    key: str,
    alt: str,
    height: int,
    on_select: Literal["ignore", "rerun"] = "ignore",
) -> Any:
    """Draw a chart as SVG, which is also what its download button saves.

    Returns:
        What is selected in it, where `on_select` is "rerun".
    """
    if bar := spec.get("visualMap"):
        bar["itemHeight"] = max(20, min(bar["itemHeight"], height - 70))  # room for its numbers
    return st.echarts_chart(
        spec, key=key, height=height, alt=alt, on_select=on_select, renderer="svg"
    )
