"""The curves of one run: training beside validation, and what else was recorded."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from workbench.ui import charts, store, widgets

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
History = Mapping[str, store.Points]


def draw(run: store.Run) -> None:
    """Every metric that has a curve; where none has one, why."""
    history = store.history(run.id)
    by_step = {name: points for name, points in history.items() if _is_by_step(name)}
    if not any(name.startswith(tuple(f"{split}/" for split in _SPLITS)) for name in history):
        _say_why_not(run, bool(by_step))
    else:
        _by_epoch(run, history)
    for name, points in by_step.items():
        with st.container(border=True):
            st.markdown(f"**{name}**")
            spec = charts.curves({name: points}, x_name="step", log=True)
            charts.draw(spec, key=f"curve_{name}", height=260, alt=f"{name} by step")


def _is_by_step(name: str) -> bool:
    return name.startswith(("step/", "steps/")) or name.endswith(("_by_step", "/step"))


def _say_why_not(run: store.Run, steps: bool) -> None:
    if run.status == "RUNNING":
        st.info("No epoch is done yet.", icon=":material/hourglass_empty:")
        return
    how = _ENDED.get(run.status, "ended")
    also = "" if steps else " No loss by step was recorded, so there is no curve to draw."
    st.info(f"This run {how} before its first epoch was done.{also}", icon=":material/info:")
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


def _by_epoch(run: store.Run, history: History) -> None:
    best = run.best_epoch(history)
    columns = st.columns(2)
    shown = _pairs(history, without="mse" if run.params.get("training.loss") == "mse" else "")
    for i, what in enumerate(shown):
        names = [f"{split}/{what}" for split in _SPLITS]
        lines = {name: history[name] for name in names if name in history}
        with columns[i % 2], st.container(border=True):
            bar = st.container(horizontal=True, horizontal_alignment="distribute")
            bar.markdown(f"**{_NAMES.get(what, what.capitalize())}**")
            can_log = all(value > 0 for points in lines.values() for _, value in points)
            log = can_log and what not in ("accuracy", "macro_f1", "r2")
            log = log and bar.toggle("Logarithmic", key=f"log_{what}", bind="query-params")
            spec = charts.curves(
                lines, log=bool(log), marker=best, marker_name="best", dashed=[f"train/{what}"]
            )
            charts.draw(spec, key=f"curve_{what}", height=300, alt=f"{what} per epoch")
    _others(history, shown)
    frame = pd.DataFrame({n: dict(points) for n, points in history.items() if n != "epoch"})
    widgets.csv(frame.sort_index().rename_axis("epoch").reset_index(), f"{run.name}_metrics")


def _pairs(history: History, without: str) -> list[str]:
    """Metrics of training and validation, accuracy and loss first; `without` is the loss again."""
    every = {
        name.partition("/")[2] for name in history if name.startswith(("train/", "validation/"))
    }
    first = [what for what in _FIRST if what in every]
    return [*first, *sorted(every - {*_FIRST, without})][:_MOST]


def _others(history: History, shown: list[str]) -> None:
    """Metrics without a place above: a chart for one with a curve, numbers for the others."""
    left = {
        name: points
        for name, points in sorted(history.items())
        if name != "epoch"
        and not _is_by_step(name)
        and (not name.startswith(_LATER) or name.startswith(("train/", "validation/")))
        and name.partition("/")[2] not in shown
    }
    curves = [name for name, points in left.items() if len(points) > 1]
    if curves:
        name = st.selectbox("Another metric", curves, key="other_metric", bind="query-params")
        if name:
            spec = charts.curves({name: history[name]})
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
