"""Colours, numbers and points that every chart shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

Spec = dict[str, Any]
Points = Sequence[tuple[float, float]]

COLOURS = (
    "#3b6fd8",
    "#e0812d",
    "#2c9b74",
    "#c9455b",
    "#8a63c9",
    "#a8822f",
    "#3fa3b8",
    "#c46bab",
    "#6f7f8f",
    "#86a93b",
)
"""Distinct for colour-blind people, and readable on white and on black."""

SEQUENTIAL = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Viridis."""
DIVERGING = ("#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b")
"""Blue below zero, red above."""
LINES = ("#8a63c9", "#3b6fd8", "#2c9b74", "#e0a52d")
"""Sequential, and every part of it visible as a thin line on white and on black."""
RISK = ("#2c9b74", "#e5cf6b", "#c9455b")
"""Fine, watch, bad."""

DIVERGING_DARK = ("#7fb8ee", "#2166ac", "#232833", "#b2182b", "#f4a582")
"""The same on a dark page: zero is as dark as the page."""

GREY = "#8b93a1"
MAX_POINTS = 2_000
"""Longer curves are thin before they are sent to the browser."""


def is_dark() -> bool:
    """Whether the page is dark now."""
    return bool(st.context.theme.type == "dark")


def diverging() -> tuple[str, ...]:
    """Blue below zero, red above, and zero as light or as dark as the page."""
    return DIVERGING_DARK if is_dark() else DIVERGING


def from_ground(colour: str) -> tuple[str, ...]:
    """From the page's own ground to a colour: nothing is not to be seen, in light and in dark."""
    if is_dark():
        return ("#1b2029", "#274278", colour, "#b9ceff")
    return ("#f4f6fb", "#9db8ee", colour, "#1c3a80")


def thin(points: Points, limit: int = MAX_POINTS) -> list[tuple[float, float]]:
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


def number(value: Any, empty: Any = None) -> Any:
    """A JSON number, or `empty` where the value is missing or not finite."""
    if value is None:
        return empty
    number = float(value)
    return float(f"{number:.6g}") if math.isfinite(number) else empty
