"""A convolution step by step: the window it reads, the numbers, and the place of the result."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from nets import inside
from workbench.ui import charts
from workbench.ui.inside import pictures


def draw_frame(pixels: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Pixels with a line around (top, left, bottom, right)."""
    top, left, bottom, right = box
    framed = pixels.copy()
    for line in (
        framed[top : top + 2, left:right],
        framed[bottom - 2 : bottom, left:right],
        framed[top:bottom, left : left + 2],
        framed[top:bottom, right - 2 : right],
    ):
        line[:] = (224, 129, 45)
    return framed


def draw_numbers(values: np.ndarray, name: str) -> None:
    """A small matrix with its numbers."""
    height, width = values.shape
    limit = float(np.abs(values).max()) or 1.0
    texts = np.vectorize(lambda v: f"{v:z.2f}")(values)
    spec = charts.heatmap(
        values,
        range(width),
        range(height),
        colours=charts.diverging(),
        low=-limit,
        high=limit,
        show=texts if values.size <= 49 else None,
        bar=False,
    )
    spec["xAxis"]["show"] = spec["yAxis"]["show"] = False
    spec["grid"] = {"left": 2, "right": 2, "top": 2, "bottom": 2}
    st.echarts_chart(
        spec, key=f"cells_{name}", height=200, alt=f"{name}: {height} by {width} values"
    )


def draw_input(shown: inside.Response, source: int) -> None:
    """The layer's input, one channel, with the window marked."""
    base = inside.colour(inside.unit_range(shown.source[source][None])[0], "grey")
    factor = max(1, round(220 / max(base.shape[:2])))
    pixels = base.repeat(factor, 0).repeat(factor, 1)
    height, width = shown.window.shape[1:]
    top, left = max(0, shown.row), max(0, shown.column)
    bottom = min(base.shape[0], shown.row + height)
    right = min(base.shape[1], shown.column + width)
    box = (top * factor, left * factor, bottom * factor, right * factor)
    pictures.show(draw_frame(pixels, box), "The layer's input with the window marked")


def draw_map(
    shown: inside.Response, row: int, column: int, on_click: Callable[[int, int], None]
) -> None:
    """The feature map with the value marked; a click on another one chooses it."""
    height, width = shown.feature_map.shape
    signed = shown.feature_map.min() < 0
    pixels = inside.montage(
        shown.feature_map[None], palette="diverging" if signed else "sequential", tile=220
    )
    factor = max(1, pixels.shape[0] // height)
    box = (row * factor, column * factor, (row + 1) * factor, (column + 1) * factor)
    pictures.show_tiles(
        draw_frame(pixels, box),
        height * width,
        width,
        key="step_map",
        alt="The filter's feature map with the value marked; click another value to follow it",
        on_click=lambda tile: on_click(*divmod(tile, width)),
    )
    pictures.show_scale(
        float(shown.feature_map.min()),
        float(shown.feature_map.max()),
        "diverging" if signed else "sequential",
    )
