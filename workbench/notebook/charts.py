"""What is drawn on Matplotlib figures: curves, matrices, pictures, bars, parallel coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure as Canvas

Draw = Callable[["Canvas"], None]

COLOURS = ("#3b6fd8", "#e0812d", "#2c9b74", "#c9455b", "#8a63c9", "#a8822f", "#3fa3b8", "#6f7f8f")
"""The browser UI's, in its order."""
_PLATE, _TEXT = "#4a5059", "#ffffff"
"""Of a plate with text that lies over lines, and of its text."""
_LABELS = 30
"""Classes whose names are written at a matrix."""
_STEPS = 60
"""Steps of a text whose tokens are written below a chart."""


def curves(frame: pd.DataFrame, panels: Mapping[str, Sequence[str]]) -> Draw:
    """Columns over the index, a panel for each name; a column's last part names its line."""

    def draw(canvas: Canvas) -> None:
        for axes, (name, columns) in zip(
            np.atleast_1d(canvas.subplots(1, len(panels))), panels.items(), strict=True
        ):
            for place, column in enumerate(columns):
                values = frame[column].dropna()
                marker = "o" if len(values) < 2 else ""
                colour = COLOURS[place % len(COLOURS)]
                axes.plot(values.index, values, marker=marker, color=colour, label=column)
            axes.set(xlabel=frame.index.name or "", title=name)
            axes.title.set_size(9)
            axes.grid(alpha=0.25)
            axes.legend(fontsize=8)

    return draw


def confusion(cells: np.ndarray, labels: Sequence[str]) -> Draw:
    """A matrix of counts; colours are shares of a row (the true class)."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="viridis", vmin=0, vmax=1)
        if len(labels) <= _LABELS:
            places = range(len(labels))
            axes.set_xticks(places, labels, rotation=90 if max(map(len, labels)) > 2 else 0)
            axes.set_yticks(places, labels)
            for row, column in np.argwhere(cells):
                dark = shares[row, column] < 0.6
                axes.text(
                    *(column, row, str(cells[row, column])),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if dark else "black",
                )
        axes.set(xlabel="predicted", ylabel="true")

    return draw


def pictures(tiles: Sequence[np.ndarray], names: Sequence[str], columns: int = 6) -> Draw:
    """Pictures (h, w, 3) uint8 in a grid, each with its name above."""

    def draw(canvas: Canvas) -> None:
        across = min(columns, len(tiles))
        down = -(-len(tiles) // across)
        for place, axes in enumerate(np.ravel(canvas.subplots(down, across, squeeze=False))):
            axes.set_axis_off()
            if place < len(tiles):
                axes.imshow(tiles[place], interpolation="nearest")
                axes.set_title(names[place], fontsize=8)

    return draw


def boards(named: Mapping[str, np.ndarray]) -> Draw:
    """One wide picture (h, w, 3 or 4) uint8 below another, each with its name above."""

    def draw(canvas: Canvas) -> None:
        heights = [board.shape[0] / board.shape[1] for board in named.values()]
        grid = np.ravel(canvas.subplots(len(named), 1, squeeze=False, height_ratios=heights))
        for axes, (name, board) in zip(grid, named.items(), strict=True):
            axes.set_axis_off()
            axes.imshow(board, interpolation="nearest")
            axes.set_title(name, fontsize=8, loc="left")

    return draw


def bars(frame: pd.DataFrame, columns: Sequence[str], x_name: str) -> Draw:
    """Horizontal bars from 0 to 1, a group for each row of the frame."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        frame[list(columns)].iloc[::-1].plot.barh(
            ax=axes, color=[COLOURS[3], COLOURS[1]], legend=len(columns) > 1
        )
        for group in axes.containers:
            axes.bar_label(cast("BarContainer", group), fmt="{:.0%}", fontsize=8, padding=2)
        axes.set(xlabel=x_name, ylabel="", xlim=(0, 1.08))

    return draw


def parallel(frame: pd.DataFrame, value: str, logs: Sequence[str] = ()) -> Draw:
    """Parallel coordinates: an axis for each column, a line for each row, coloured by `value` from blue
    over violet to orange.

    Args:
        logs: columns that are drawn by the logarithm.
    """

    def draw(canvas: Canvas) -> None:
        from matplotlib.colors import LinearSegmentedColormap

        # None of them is lost on white or on black, as the ends of viridis are.
        colours = LinearSegmentedColormap.from_list("value", [COLOURS[i] for i in (0, 4, 1)])
        axes = canvas.subplots()
        scaled = pd.DataFrame({name: _unit(frame[name], name in logs) for name in frame})
        for row in scaled.sort_values(value).to_numpy():
            axes.plot(range(len(row)), row, color=colours(row[-1]), alpha=0.8)
        axes.set_xticks(range(len(frame.columns)), [_short(name) for name in frame])
        axes.set_yticks([])
        for place, name in enumerate(frame):
            for text, height in _ends(frame[name]):
                axes.annotate(
                    text,
                    (place, height),
                    fontsize=7.5,
                    ha="center",
                    va="center",
                    color=_TEXT,
                    bbox={"boxstyle": "round,pad=0.25", "facecolor": _PLATE, "edgecolor": "none"},
                    zorder=3,
                )
            axes.axvline(place, color="#6f7f8f", linewidth=0.6)
        axes.margins(x=0.08)
        for side in axes.spines.values():
            side.set_visible(False)

    return draw


def _short(path: str) -> str:
    return path if path.count("/") else path.rpartition(".")[2]


def _unit(values: pd.Series[Any], log: bool) -> pd.Series[Any]:
    """Values as 0 to 1; texts by their place among the different ones."""
    if not pd.api.types.is_numeric_dtype(values):
        values = values.astype(str).astype("category").cat.codes
    values = np.log10(values) if log else values.astype(float)
    span = values.max() - values.min()
    return (values - values.min()) / span if span else values * 0 + 0.5


def _ends(values: pd.Series[Any]) -> list[tuple[str, float]]:
    """What to write at an axis, and at which height."""
    if pd.api.types.is_numeric_dtype(values):
        low, high = values.min(), values.max()
        return [(f"{low:.3g}", -0.05), (f"{high:.3g}", 1.05)] if low < high else [(f"{low:g}", 0.5)]
    names = sorted(set(values.astype(str)))
    return [(name, place / max(1, len(names) - 1)) for place, name in enumerate(names)]


def table(frame: pd.DataFrame) -> Draw:
    """A small table, for what has no picture."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.set_axis_off()
        if len(frame):
            cells = [[_cell(value) for value in row] for row in frame.to_numpy()]
            drawn = axes.table(cells, colLabels=list(frame.columns), loc="center")
            drawn.set_fontsize(8)
            for cell in drawn.get_celld().values():
                cell.set(facecolor="none", edgecolor="#6f7f8f")

    return draw


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def steps(frame: pd.DataFrame, column: str) -> Draw:
    """Bars over the steps of a sequence, red above zero and blue below; tokens below them."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        values = frame[column].to_numpy()
        axes.bar(range(len(values)), values, color=np.where(values >= 0, COLOURS[3], COLOURS[0]))
        axes.axhline(0, color="#6f7f8f", linewidth=0.6)
        axes.set(xlabel="step", ylabel=column)
        _name_steps(axes, list(frame["token"]) if "token" in frame else None)

    return draw


def states(
    panels: Mapping[str, np.ndarray], answer: np.ndarray | None, tokens: Sequence[str] | None
) -> Draw:
    """A heat map (units by steps) for each layer, and the answer so far below.

    Args:
        panels: (steps, units) by the layer's name.
        answer: (steps,) from 0 to 1.
    """

    def draw(canvas: Canvas) -> None:
        heights = [3.0] * len(panels) + [2.0] * (answer is not None)
        grid = np.ravel(
            canvas.subplots(len(heights), 1, squeeze=False, sharex=True, height_ratios=heights)
        )
        for axes, (name, values) in zip(grid, panels.items(), strict=False):
            bound = float(np.abs(values).max()) or 1.0
            shown = axes.imshow(
                values.T,
                cmap="RdBu_r",
                vmin=-bound,
                vmax=bound,
                aspect="auto",
                interpolation="none",
            )
            canvas.colorbar(shown, ax=axes, pad=0.01)
            axes.set_title(name, fontsize=8, loc="left")
            axes.set_ylabel("unit", fontsize=8)
        if answer is not None:
            grid[-1].plot(range(len(answer)), answer, color=COLOURS[0])
            grid[-1].set(ylim=(0, 1.02))
            grid[-1].set_ylabel("answer", fontsize=8)
            grid[-1].grid(alpha=0.25)
        grid[-1].set_xlabel("step")
        _name_steps(grid[-1], tokens)

    return draw


def _name_steps(axes: Axes, tokens: Sequence[str] | None) -> None:
    if tokens is not None and len(tokens) <= _STEPS:
        axes.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=7)
        axes.set_xlabel("")
