"""The rows and columns of the table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from nets.task import Task
from workbench.ui import store, widgets

ACCURACY = "validation/accuracy"
_NOTE = "note"


def make_frame(runs: Sequence[store.Run], columns: Sequence[str]) -> pd.DataFrame:
    """A row per run: what it is, its result and curve, the chosen columns, tags and note."""
    curves = _curves(runs)
    tags = list(dict.fromkeys(tag for run in runs for tag in run.own_tags))
    noted = any(run.note for run in runs)
    several = any(run.best() and run.best()[0] != ACCURACY for run in runs)  # type: ignore[index]
    rows = []
    for run in runs:
        row: dict[str, Any] = {"run": run.name, "status": run.state}
        if several:
            row["result"] = _result(run)
        row |= {
            "kind": run.kind,
            "experiment": run.experiment,
            "started": pd.Timestamp(run.start, unit="s") if run.start else pd.NaT,
            "took": widgets.duration(run.seconds),
            "curve": curves.get(run.id, []),
        }
        row |= {name: run.value(name) for name in columns}
        row |= {_heading(tag, row): run.own_tags.get(tag, "") for tag in tags}
        if noted:
            row[_heading(_NOTE, row)] = run.note
        row["run id"] = run.id
        rows.append(row)
    return pd.DataFrame(rows)


def _heading(tag: str, row: dict[str, Any]) -> str:
    """A tag's column; a tag may be named like another column."""
    return tag if tag not in row and tag != "run id" else f"{tag} (tag)"


def _result(run: store.Run) -> str:
    best = run.best()
    return "" if best is None else f"{best[0].rsplit('/', 1)[-1]} {widgets.number(best[1])}"


def _curves(runs: Sequence[store.Run]) -> dict[str, list[float]]:
    """The monitored metric of each run. What is no share of 1 is shown as a part of its highest."""
    by_metric: dict[str, list[str]] = {}
    for run in runs:
        by_metric.setdefault(run.monitor, []).append(run.id)
    shown: dict[str, list[float]] = {}
    for metric, ids in by_metric.items():
        share = metric.rpartition("/")[2] in Task.CLASSES.metrics and "loss" not in metric
        for run_id, values in store.sparklines(ids, metric).items():
            top = max(values, default=0.0)
            scale = 1.0 if share or top <= 0 else top
            shown[run_id] = [value / scale for value in values]
    return shown


def configure_columns(frame: pd.DataFrame, pinned: Sequence[str] = ()) -> dict[str, Any]:
    """How each column is drawn; those of `pinned` stay beside the name."""
    column = st.column_config
    config: dict[str, Any] = {
        "status": column.TextColumn(
            help="stopped: by a person. stopped early: by its sweep.", width=90
        ),
        "kind": column.TextColumn(width=60),
        "run": column.TextColumn(pinned=True),
        "result": column.TextColumn(
            help="The best value of the metric that the training monitors."
        ),
        "started": column.DatetimeColumn(format="D MMM, HH:mm"),
        "curve": column.LineChartColumn(
            width="small",
            help="The metric that the training monitors: a share from 0 to 1; a loss or an error "
            "relative to its highest value.",
            y_min=0,
            y_max=1,
        ),
    }
    for name in frame.columns:
        if pd.api.types.is_float_dtype(frame[name]):
            config[name] = column.NumberColumn(format="%.4g")
    for name in pinned:
        if name in frame.columns:
            config.setdefault(name, column.Column())["pinned"] = True
    return config
