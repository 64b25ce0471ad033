"""A run or a comparison as one HTML file: no server, no script, nothing from the network."""

from __future__ import annotations

import base64
import html as escaping
import io
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from nets import inside
from workbench import __version__, html
from workbench.ui import charts, store, widgets
from workbench.ui.comparing.metrics import find_mode
from workbench.ui.comparing.names import FEW, short_names
from workbench.ui.comparing.settings import find_differing
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts
from workbench.ui.inside.images import data_url

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
table { font-variant-numeric: tabular-nums; font-size: 0.9rem; }
td.best { font-weight: 700; }
svg, img { max-width: 100%; height: auto; }
img { image-rendering: pixelated; }
figure { margin: 1rem 0; } figcaption { opacity: 0.8; font-size: 0.9rem; }
.scroll { overflow-x: auto; }
"""
_PANELS = (
    ("accuracy", ("train/accuracy", "validation/accuracy")),
    ("loss", ("train/loss", "validation/loss")),
)
_MOST_CLASSES = 30


def write_run(run: store.Run) -> str:
    """What one run did: results, curves, confusion, filters, settings, and how to repeat it."""
    best = run.best()
    facts = {
        "experiment": run.experiment,
        "status": run.state,
        f"best {best[0]}" if best else "best": widgets.number(best[1] if best else None),
        "started": time.strftime("%d %b %Y %H:%M", time.localtime(run.start)) if run.start else "–",
        "took": widgets.duration(run.seconds),
        "run id": run.id,
    }
    said = [
        run.tags.get("workbench.error", ""),
        *run.tags.get("workbench.verdicts", "").split("\n"),
    ]
    history = store.history(run.id)
    parts = [
        html.pairs(facts),
        _note(run),
        html.items(text for text in said if text),
        _heading("Curves"),
        *(
            _chart(name, {m.partition("/")[0]: history[m] for m in metrics if m in history})
            for name, metrics in _PANELS
        ),
        *_part("Results", lambda: _results(run)),
        *_part("Filters of the first convolution", lambda: _filters(run)),
        _heading("Settings"),
        html.pairs(dict(sorted(run.params.items()))),
    ]
    return _document(f"Run {run.name}", parts)


def write_comparison(runs: Sequence[store.Run]) -> str:
    """How runs differ: their best values, the settings that differ, their curves."""
    names = short_names(runs)
    metrics = sorted(
        {m for run in runs for m in run.metrics if m.startswith(("best/", "test/", "validation/"))}
    )
    values = pd.DataFrame(
        [[run.metrics.get(m, math.nan) for m in metrics] for run in runs],
        index=[names[run.id] for run in runs],
        columns=metrics,
    )
    settings = find_differing(runs, names)
    parts = [
        f"<p>{len(runs)} runs.</p>",
        _heading("Results"),
        _values_table(values),
        _heading("Settings that differ"),
        html.table(
            ("run", *settings.columns),
            [
                (str(name), *row)
                for name, row in zip(settings.index, settings.to_numpy(), strict=True)
            ],
        )
        if settings.shape[1]
        else "<p>None.</p>",
        _heading("Curves"),
        *(
            _compare_curves(metric, runs, names)
            for metric in ("validation/accuracy", "validation/loss")
        ),
        *(_note(run) for run in runs),
    ]
    return _document(f"{len(runs)} runs compared", parts)


def _document(title: str, parts: Sequence[str]) -> str:
    made = time.strftime("%d %b %Y %H:%M")
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{escaping.escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escaping.escape(title)}</h1>"
        + "\n".join(f"<div class='scroll'>{part}</div>" for part in parts if part)
        + f"<p><small>Ray-on-Spark workbench {__version__}, {made}</small></p></main></body></html>\n"
    )


def _heading(text: str) -> str:
    return f"<h2>{escaping.escape(text)}</h2>"


def _note(run: store.Run) -> str:
    if not run.note:
        return ""
    lines = escaping.escape(run.note).replace("\n", "<br>")
    return f"<blockquote><b>{escaping.escape(run.name)}</b>: {lines}</blockquote>"


def _part(heading: str, write: Callable[[], str]) -> list[str]:
    """A part of what a run kept; what it did not keep is said."""
    try:
        return [_heading(heading), write()]
    except (Missing, ValueError) as missing:
        return [_heading(heading), f"<p>{escaping.escape(str(missing))}</p>"]


def _results(run: store.Run) -> str:
    evaluation = artifacts.evaluation(run.id)
    names = [*_starting(run.metrics, "test/"), *_starting(run.metrics, "baseline/")]
    measured = {name: run.metrics[name] for name in names}
    parts = [html.pairs(measured)]
    matrix = np.asarray(evaluation.values.get("confusion", []), dtype=float)
    if matrix.ndim == 2 and 0 < len(matrix) <= _MOST_CLASSES:
        parts.append(_confusion(matrix, evaluation.labels or [str(i) for i in range(len(matrix))]))
    return "".join(parts)


def _starting(names: Iterable[str], start: str) -> list[str]:
    return sorted(name for name in names if name.startswith(start))


def _confusion(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Rows are the true classes; the ground is the share of a row."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    head = "".join(f"<th scope='col'>{escaping.escape(name)}</th>" for name in names)
    rows = "".join(
        f"<tr><th scope='row'>{escaping.escape(name)}</th>"
        + "".join(
            f"<td style='text-align:right;padding:2px 8px;background:rgba(59,111,216,{share:.2f})'>"
            f"{'' if count == 0 else f'{count:.0f}'}</td>"
            for count, share in zip(counts, own, strict=True)
        )
        + "</tr>"
        for name, counts, own in zip(names, matrix, shares, strict=True)
    )
    return (
        "<table><caption>Confusion: a row per true class, a column per predicted one</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _filters(run: store.Run) -> str:
    net = artifacts.net(run.id)
    layers = inside.convolutions(net)
    if not layers:
        raise Missing("This net has no convolutions.")
    weights = inside.filters(net, layers[0])[:64]
    tiles = inside.pictures(weights, inside.views(weights)[0])
    tiles = tiles[:, 0] if tiles.ndim == 4 and tiles.shape[1] == 1 else tiles
    palette: inside.Palette = "diverging" if float(tiles.min()) < 0 else "sequential"
    board = inside.montage(tiles, palette=palette, tile=48, gap=3, opaque=False)
    low, high = widgets.number(float(tiles.min())), widgets.number(float(tiles.max()))
    return (
        f"<figure><img alt='Filters of {escaping.escape(layers[0])}' src='{data_url(board)}'>"
        f"<figcaption>{escaping.escape(layers[0])}, {low} to {high}</figcaption></figure>"
    )


def _values_table(values: pd.DataFrame) -> str:
    """A row per run; the best value of a column is bold."""
    best = {}
    for name in values.columns:
        mode, column = find_mode(name), values[name].dropna()
        if mode and column.nunique() > 1:
            best[name] = column.max() if mode == "max" else column.min()
    head = "".join(f"<th scope='col'>{escaping.escape(name)}</th>" for name in values.columns)
    rows = "".join(
        f"<tr><th scope='row'>{escaping.escape(str(run))}</th>"
        + "".join(
            f"<td{' class=best' if best.get(name) == value else ''}>{widgets.number(value)}</td>"
            for name, value in row.items()
        )
        + "</tr>"
        for run, row in values.iterrows()
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _compare_curves(metric: str, runs: Sequence[store.Run], names: Mapping[str, str]) -> str:
    curves = store.curves([run.id for run in runs], metric)
    return _chart(metric, {names[run_id]: points for run_id, points in curves.items()})


def _chart(title: str, lines: Mapping[str, store.Points]) -> str:
    """Curves with axes as a picture; of more than ten lines the names are left out."""
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    for place, (name, points) in enumerate(lines.items()):
        colour = charts.COLOURS[place % len(charts.COLOURS)]
        axes.plot(*zip(*charts.thin(points), strict=True), color=colour, label=name, linewidth=1.6)
    axes.set(title=title, xlabel="epoch")
    axes.grid(alpha=0.25)
    if len(lines) <= FEW:
        for text in axes.legend(fontsize=8).get_texts():
            text.set_parse_math(False)  # a run's name may have a $ in it
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    source = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f"<figure><img style='image-rendering:auto' alt='{escaping.escape(title, quote=True)} by epoch' src='{source}'></figure>"
