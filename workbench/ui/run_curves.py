"""The curves of one run: training beside validation, and what else was recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from workbench.ui import charts, run_axis, store, widgets

_FIRST = ("accuracy", "loss")
_SPLITS = ("train", "validation")
_MOST = 4
_LATER = ("health/", "test/", "best", "time/", "baseline/", *(f"{split}/" for split in _SPLITS))
_NAMES = {
    "mae": "Mean absolute error",
    "mse": "Mean squared error",
    "r2": "R²",
    "macro_f1": "Macro F1",
}
_ENDED = {"FAILED": "failed", "KILLED": "was stopped", "STOPPED": "was stopped early"}
_STEP_LOSS, _STEP_RATE = "step/loss", "step/learning_rate"
_STEEP = 20
"""A loss that changes by this factor is drawn on a logarithmic axis unless the reader turns it off."""
History = Mapping[str, store.Points]


def draw(run: store.Run) -> None:
    """Every metric that has a curve; where none has one, why."""
    history = store.history(run.id)
    if run.kind == "lr_find":
        return _draw_rates(run, history)
    has_epochs = any(name.startswith(tuple(f"{split}/" for split in _SPLITS)) for name in history)
    has_steps = bool(history.get(_STEP_LOSS))
    if run.status == "RUNNING":
        _progress(run, history)
    if not has_epochs:
        _say_why_not(run, has_steps)
    if has_epochs or has_steps:
        _draw(run, history, has_epochs, has_steps)
    if not has_epochs and run.status != "RUNNING":
        _settings_to_change(run)


def _draw_rates(run: store.Run, history: History) -> None:
    """The loss at each learning rate that was tried, with a line at the suggestion."""
    rates = dict(history.get("lr_find/learning_rate", []))
    points = [(rates[n], loss) for n, loss in history.get("lr_find/loss", []) if n in rates]
    if not points:
        st.info("No learning rate was tried.", icon=":material/info:")
        return
    suggestion = run.metrics.get("lr_find/suggestion")
    said = "A net that is thrown away took a step at each learning rate. "
    if suggestion is None:
        said += "The loss does not clearly fall: no rate is suggested."
    else:
        said += f"The loss falls fastest at {suggestion:.3g}: start with `training.learning_rate={suggestion:.3g}`."
    st.markdown(said)
    spec = charts.curves(
        {"loss": points},
        x_name="learning rate",
        log_x=True,
        marker=suggestion,
        marker_name="suggestion",
    )
    charts.draw(spec, key="curve_rates", height=300, alt="loss by learning rate")
    frame = pd.DataFrame(points, columns=["learning rate", "loss"])
    widgets.csv(frame, f"{run.name}_rates")


def _draw(run: store.Run, history: History, has_epochs: bool, has_steps: bool) -> None:
    form = _Form.choose(run, history)
    if has_epochs:
        _by_epoch(run, history, form)
    _by_step(history, form)
    if has_epochs:
        _others(history, form)
        frame = pd.DataFrame(
            {
                n: dict(points)
                for n, points in history.items()
                if n != "epoch" and not n.startswith(run_axis.STEP)
            }
        )
        widgets.csv(
            frame.sort_index().rename_axis("epoch").reset_index(),
            f"{run.name}_metrics",
            label="CSV by epoch",
        )
    if has_steps:
        _csv_of_steps(run, history)


@dataclass(frozen=True)
class _Form:
    """How all curves of the page are drawn."""

    axis: run_axis.Axis
    log_x: bool
    smooth: float

    @staticmethod
    def choose(run: store.Run, history: History) -> _Form:
        bar = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
        across = widgets.choose("Over", run_axis.names(run, history), "across", bar)
        log_x = bar.toggle("Logarithmic below", key="log_x", bind="query-params")
        smooth = bar.slider(
            "Smoothing",
            0.0,
            0.99,
            0.0,
            key="smooth",
            bind="query-params",
            width=220,
            help="Weight of the past in a moving mean. The curve itself stays, pale.",
        )
        return _Form(run_axis.make(run, history, across), bool(log_x), float(smooth))

    def curves(self, lines: History, **more: Any) -> charts.Spec:
        return charts.curves(
            lines, x_name=self.axis.label, log_x=self.log_x, smooth=self.smooth, **more
        )


def _progress(run: store.Run, history: History) -> None:
    part = run_axis.part(run, history)
    if part is None:
        return
    st.progress(
        part.share,
        f"Epoch {part.epoch} of {run.params.get('training.epochs', '?')}: {part.share:.0%} of "
        f"{part.of:,} rows, {part.rows_per_s:,.0f} a second, "
        f"{widgets.duration(part.seconds_left)} left of it",
    )


def _by_step(history: History, form: _Form) -> None:
    """The loss within epochs, and the learning rate where it changes."""
    shown = {_STEP_LOSS: "Training loss by step"}
    if len({rate for _, rate in history.get(_STEP_RATE, [])}) > 1:
        shown[_STEP_RATE] = "Learning rate by step"
    shown = {name: title for name, title in shown.items() if history.get(name)}
    for column, (name, title) in zip(st.columns(len(shown) or 1), shown.items(), strict=False):
        points = [(x, y) for x, y in history[name] if math.isfinite(y)]
        with column, st.container(border=True):
            bar = st.container(horizontal=True, horizontal_alignment="distribute")
            bar.markdown(f"**{title}**", help="Each point is the mean over a part of an epoch.")
            values = [y for _, y in points]
            steep = min(values, default=0) > 0 and max(values) > _STEEP * min(values)
            log = min(values, default=0) > 0 and bar.toggle(
                "Logarithmic", value=steep, key=f"log_{name}", bind="query-params"
            )
            spec = form.curves({name: form.axis.of_steps(points)}, log=bool(log))
            charts.draw(spec, key=f"curve_{name}", height=260, alt=f"{name} by step")


def _csv_of_steps(run: store.Run, history: History) -> None:
    steps = {n: dict(points) for n, points in history.items() if n.startswith(run_axis.STEP)}
    frame = pd.DataFrame(steps).sort_index().rename_axis("step").reset_index()
    widgets.csv(frame, f"{run.name}_by_step", label="CSV by step")


def _say_why_not(run: store.Run, steps: bool) -> None:
    if run.status == "RUNNING":
        if not steps:
            st.info("No epoch is done yet.", icon=":material/hourglass_empty:")
        return
    how = _ENDED.get(run.status, "ended")
    also = "" if steps else " No loss by step was recorded, so there is no curve to draw."
    st.info(f"This run {how} before its first epoch was done.{also}", icon=":material/info:")


def _settings_to_change(run: store.Run) -> None:
    shown = (
        "training.learning_rate",
        "training.optimizer",
        "training.batch_size",
        "training.clip_norm",
        "training.precision",
        "net.activation",
    )
    rows = [(name, run.params[name]) for name in shown if name in run.params]
    if rows:
        st.markdown("**The settings that decide this most often**")
        frame = pd.DataFrame(rows, columns=["setting", "value"])
        widgets.show_table(frame, "suspects", "Settings of this run")
        st.page_link(
            "views/launch.py",
            label="Change them and train again",
            query_params={"run": run.id},
            icon=":material/replay:",
        )


def _by_epoch(run: store.Run, history: History, form: _Form) -> None:
    best = run.best_epoch(history)
    marker = None if best is None else form.axis.of_epochs([(best, 0.0)])[0][0]
    shown = _pairs(history)
    columns = st.columns(min(2, len(shown)))
    for i, what in enumerate(shown):
        names = [f"{split}/{what}" for split in _SPLITS]
        lines = {name: history[name] for name in names if name in history}
        with columns[i % len(columns)], st.container(border=True):
            bar = st.container(horizontal=True, horizontal_alignment="distribute")
            bar.markdown(f"**{_NAMES.get(what, what.replace('_', ' ').capitalize())}**")
            can_log = all(value > 0 for points in lines.values() for _, value in points)
            log = can_log and what not in ("accuracy", "macro_f1", "r2")
            log = log and bar.toggle("Logarithmic", key=f"log_{what}", bind="query-params")
            over = {name: form.axis.of_epochs(points) for name, points in lines.items()}
            spec = form.curves(
                over,
                log=bool(log),
                marker=marker,
                marker_name="best",
                dashed=[f"train/{what}"],
                level=_baseline(run, history, what),
            )
            charts.draw(spec, key=f"curve_{what}", height=300, alt=f"{what} per epoch")


def _baseline(run: store.Run, history: History, what: str) -> tuple[str, float] | None:
    """Name and height of the best answer without a net; on the test rows, where there are some."""
    from workbench.training.verdicts import best_baseline  # a face would load more

    unit = "mse" if what == "loss" and _loss_is_error(history) else what
    found = best_baseline(run.metrics, unit)
    return None if found is None else (f"baseline: {found[0]}", found[1])


def _loss_is_error(history: History) -> bool:
    """Whether the loss is the squared error under another name."""
    return history.get("validation/mse") == history.get("validation/loss")


def _pairs(history: History) -> list[str]:
    """Metrics of training and validation, accuracy and loss first, without the loss under its other
    name."""
    without = "mse" if _loss_is_error(history) else ""
    every = {
        name.partition("/")[2] for name in history if name.startswith(("train/", "validation/"))
    }
    first = [what for what in _FIRST if what in every]
    return [*first, *sorted(every - {*_FIRST, without})][:_MOST]


def _others(history: History, form: _Form) -> None:
    """Metrics without a place above: a chart for one with a curve, numbers for the others."""
    shown = _pairs(history)
    left = {
        name: points
        for name, points in sorted(history.items())
        if name != "epoch"
        and not name.startswith(run_axis.STEP)
        and (not name.startswith(_LATER) or name.startswith(("train/", "validation/")))
        and name.partition("/")[2] not in shown
    }
    curves = [name for name, points in left.items() if len(points) > 1]
    if curves:
        usual = curves.index("gradient_norm") if "gradient_norm" in curves else 0
        name = st.selectbox(
            "Another metric", curves, usual, key="other_metric", bind="query-params"
        )
        if name:
            spec = form.curves({name: form.axis.of_epochs(history[name])})
            charts.draw(spec, key="curve_other", height=240, alt=name)
    once = [(name, points[-1][1]) for name, points in left.items() if len(points) == 1]
    once += [(n, points[-1][1]) for n, points in history.items() if n.startswith("test/")]
    if once:
        with st.expander("Measured once"):
            frame = pd.DataFrame(once, columns=["metric", "value"])
            widgets.show_table(
                frame,
                "once",
                "Metrics that were measured once",
                column_config={"value": st.column_config.NumberColumn(format="%.6g")},
            )
