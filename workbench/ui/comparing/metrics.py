"""Curves of compared runs, and their last values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from tracking.series import Mode, direction
from workbench.ui import charts, store, widgets
from workbench.ui.comparing.names import FEW, short_names
from workbench.ui.comparing.settings import find_differing
from workbench.ui.errors import Missing

_NO_CURVE = ("health/", "time/", "system/", "best/", "test/", "baseline/")
_NOT_LISTED = ("health/", "time/", "system/")
_BEST = "background-color: rgba(44, 155, 116, 0.28)"
_USUAL = ("validation/accuracy", "validation/loss")


def draw_curves(runs: Sequence[store.Run]) -> None:
    """A chart per metric; of many runs with the best one and the mean; the values as a table."""
    names = short_names(runs)
    metrics = sorted({m for run in runs for m in run.metrics if not m.startswith(_NO_CURVE)})
    if not metrics:
        raise Missing("None of these runs has recorded an epoch yet.")
    usual = [m for m in _USUAL if m in metrics]
    chosen = st.multiselect(
        "Metrics", metrics, default=usual or metrics[:1], key="compare_metrics", bind="query-params"
    )
    few = len(runs) <= FEW
    together = few and st.toggle(
        "Training beside it, dashed", value=True, key="with_train", bind="query-params"
    )
    columns = st.columns(2 if len(chosen) > 1 else 1)
    for i, metric in enumerate(chosen):
        with columns[i % len(columns)], st.container(border=True):
            if few:
                _draw_few(metric, runs, names, together=together)
            else:
                _draw_many(metric, runs, names)
    _draw_values(runs, names)


def _draw_few(
    metric: str, runs: Sequence[store.Run], names: Mapping[str, str], *, together: bool
) -> None:
    """A colour per run."""
    lines, colours, dashed = {}, {}, []
    shown = [metric]
    if together and metric.startswith("validation/"):
        shown.append(metric.replace("validation/", "train/"))
    for name in shown:
        curves = store.curves([run.id for run in runs], name)
        for index, run in enumerate(runs):
            if run.id in curves:
                label = names[run.id] + (" (train)" if name != metric else "")
                lines[label] = curves[run.id]
                colours[label] = index
                dashed += [label] if name != metric else []
    st.markdown(f"**{metric}**")
    spec = charts.curves(lines, x_name=_x_name(metric), colour_of=colours, dashed=dashed)
    height = 284 + spec["grid"]["top"]  # a legend of many runs takes nothing from the chart
    charts.draw(spec, key=f"compare_{metric}", height=height, alt=f"{metric} of every run")


def _draw_many(metric: str, runs: Sequence[store.Run], names: Mapping[str, str]) -> None:
    """Thin lines from worst to best, the best run and the mean drawn over them."""
    curves = store.curves([run.id for run in runs], metric)
    mode = direction(metric)
    spec = charts.many_curves(
        {names[run_id]: points for run_id, points in curves.items()},
        mode=mode,
        x_name=_x_name(metric),
    )
    st.markdown(f"**{metric}**")
    charts.draw(spec, key=f"compare_{metric}", height=330, alt=f"{metric} of every run")
    order = "Purple: the worst, yellow: the best of each run's values. " if mode else ""
    st.caption(f"{len(curves)} of {len(runs)} runs have it. {order}Point at a line for its run.")


def _x_name(metric: str) -> str:
    return "step" if metric.startswith("step/") else "epoch"


def _draw_values(runs: Sequence[store.Run], names: Mapping[str, str]) -> None:
    st.subheader("Metrics", anchor=False)
    metrics = sorted({m for run in runs for m in run.metrics if not m.startswith(_NOT_LISTED)})
    frame = pd.DataFrame(
        {names[r.id]: [r.metrics.get(m) for m in metrics] for r in runs}, index=metrics
    ).astype(float)
    frame = order_rows(frame)
    if len(runs) <= FEW:
        marked = frame.rename_axis("metric").style.apply(mark_best, axis=1)
        place = "row"
    else:
        frame = frame.T.rename_axis("run")
        settings = find_differing(runs, names)
        frame = frame.join(settings.drop(columns=frame.columns, errors="ignore"))
        marked = frame.style.apply(mark_best, axis=0)
        place = "column"
    st.dataframe(
        marked.format(_format),
        key="compare_table",
        placeholder="–",
        height=widgets.table_height(len(frame), 760),
        alt="Metrics of every run",
    )
    st.caption(f"Green: the best of a {place}, where its name says whether more or less is better.")
    widgets.csv(frame.reset_index(), "compare_metrics")


def order_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with a row per metric: those by which runs are judged on top, baselines at the end."""
    groups = ("best/", "test/", "validation/", "train/")

    def find_group(name: str) -> int:
        if "baseline/" in name:  # best/baseline/ too
            return len(groups) + 1
        return next((i for i, start in enumerate(groups) if name.startswith(start)), len(groups))

    return frame.loc[sorted(frame.index, key=lambda name: (find_group(name), name))]


def _format(value: object) -> str:
    return widgets.number(value) if isinstance(value, float) else str(value)


def mark_best(values: pd.Series) -> list[str]:
    """Styles of a metric's cells: the best value is green, unless all are equal."""
    mode = find_mode(str(values.name))
    numbers = pd.to_numeric(values, errors="coerce")
    if mode is None or numbers.dropna().nunique() < 2:
        return [""] * len(values)
    best = numbers.max() if mode == "max" else numbers.min()
    return [_BEST if value == best else "" for value in numbers]


def find_mode(metric: str) -> Mode | None:
    """Whether more or less is better. The test split has a best run as well, though no best epoch."""
    return direction(metric.removeprefix("test/").removeprefix("best/"))
