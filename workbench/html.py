"""Tables and small curves as HTML that draws wherever a notebook's output is shown.

No script and no style sheet: JupyterLab, VS Code, GitHub and a saved HTML file show the same.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_CELL = "padding:2px 10px 2px 0;text-align:left;vertical-align:top"
_COLOURS = ("#3b6fd8", "#e0812d", "#2c9b74", "#c9455b")


def number_text(value: Any) -> str:
    """A value as short text; a float with four significant digits, None as nothing."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def title(text: str, note: str = "") -> str:
    """A heading, with a note in grey."""
    grey = f" <span style='opacity:.65'>{html.escape(note)}</span>" if note else ""
    return f"<div><b>{html.escape(text)}</b>{grey}</div>"


def pairs(values: Mapping[str, Any]) -> str:
    """A table of two columns: name, value."""
    return table((), [(name, value) for name, value in values.items()])


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; `heads` may be empty. Cells are text, and escaped."""
    head = "".join(f"<th style='{_CELL}'>{html.escape(name)}</th>" for name in heads)
    lines = "".join(
        "<tr>"
        + "".join(f"<td style='{_CELL}'>{html.escape(number_text(cell))}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table style='border-collapse:collapse'>{top}<tbody>{lines}</tbody></table>"


def items(texts: Iterable[str]) -> str:
    """A list; nothing where there are no texts."""
    lines = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
    return f"<ul style='margin:4px 0'>{lines}</ul>" if lines else ""


def curve(
    lines: Mapping[str, Sequence[tuple[float, float]]], *, width: int = 320, height: int = 90
) -> str:
    """Curves of (x, y) points as one SVG with a shared range; nothing without two points."""
    finite = {
        name: [point for point in points if all(map(math.isfinite, point))]
        for name, points in lines.items()
    }
    finite = {name: points for name, points in finite.items() if len(points) > 1}
    if not finite:
        return ""
    xs = [x for points in finite.values() for x, _ in points]
    ys = [y for points in finite.values() for _, y in points]
    left, low = min(xs), min(ys)
    across, up = max(xs) - left or 1.0, max(ys) - low or 1.0
    drawn, legend = [], []
    for place, (name, points) in enumerate(finite.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(
            f"{2 + (width - 4) * (x - left) / across:.1f},"
            f"{2 + (height - 4) * (1 - (y - low) / up):.1f}"
            for x, y in points
        )
        drawn.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.8'/>"
        )
        legend.append(f"<span style='color:{colour}'>{html.escape(name)}</span>")
    picture = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' role='img' "
        f"aria-label='{html.escape(', '.join(finite), quote=True)}'>{''.join(drawn)}</svg>"
    )
    span = f"{number_text(float(low))} to {number_text(float(max(ys)))}"
    return f"<div>{picture}<br><small>{' · '.join(legend)} · {span}</small></div>"
