"""What compared runs predict: results by class, and the rows on which they disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from nets import inside
from workbench.ui import charts, store, widgets
from workbench.ui.comparing.names import FEW, short_names
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts, pictures
from workbench.ui.inside.images import data_url

_MOST_ROWS = 200


def draw_by_class(runs: Sequence[store.Run]) -> None:
    """F1, precision or recall of each class in each run."""
    names = short_names(runs)
    metric = widgets.choose("Metric", ["f1", "precision", "recall"], "class_metric")
    columns: dict[str, list[float]] = {}
    classes: list[str] = []
    lacking: list[str] = []
    for run in runs:
        try:
            results = artifacts.evaluation(run.id)
            table = results.values.get("per_class", {}).get(metric)
        except (Missing, AttributeError):
            table = None
        if table is None:
            lacking.append(names[run.id])
            continue
        columns[names[run.id]] = table
        classes = results.labels or classes or [str(i) for i in range(len(table))]
    _say_left_out("No table by class", lacking)
    same = {name: values for name, values in columns.items() if len(values) == len(classes)}
    if not same:
        raise Missing("None of these runs has an evaluation by class.")
    frame = pd.DataFrame(same, index=classes)
    spec = charts.heatmap(
        frame.to_numpy().T,
        classes,
        list(frame.columns),
        low=float(frame.to_numpy().min()),
        high=1,
        show=np.vectorize(lambda v: f"{v:.1%}")(frame.to_numpy().T) if frame.size <= 200 else None,
    )
    charts.draw(
        spec,
        key="by_class",
        height=90 + (40 if len(same) <= FEW else 18) * len(same),
        alt=f"{metric} by class and run",
    )
    if len(same) > 1:
        frame["spread"] = frame.max(axis=1) - frame.min(axis=1)
    st.dataframe(
        frame.sort_values("spread", ascending=False) if "spread" in frame else frame,
        key="by_class_table",
        height="content",
        alt="By class",
    )
    widgets.csv(frame.rename_axis("class").reset_index(), "compare_classes")


def _say_left_out(why: str, names: Sequence[str]) -> None:
    """Names of the runs that a part leaves out, and the reason; of many their number."""
    if names:
        listed = ", ".join(names) if len(names) <= FEW else f"{len(names)} runs"
        st.caption(f"{why}: {listed}.")


def draw_disagreements(runs: Sequence[store.Run]) -> None:
    """The rows to which the runs give different answers."""
    names = short_names(runs)
    tables = _read_tables(runs, names)
    base = next(iter(tables))
    first = tables[base]
    frame = pd.DataFrame({names[i]: t["prediction"] for i, t in tables.items()})
    apart = frame[frame.nunique(axis=1) > 1]
    wrong = (frame.ne(first["label"], axis=0)).all(axis=1)
    st.caption(
        f"They disagree on {len(apart):,} of {len(frame):,} rows ({len(apart) / len(frame):.1%}); "
        f"all of them are wrong on {int(wrong.sum())}."
    )
    if len(tables) > FEW:
        right = frame.eq(first["label"], axis=0).sum(axis=1)
        apart = apart.loc[right[apart.index].sort_values(kind="stable").index]
    apart = apart.head(_MOST_ROWS)
    labels = artifacts.labels(base)
    answers = apart.map(lambda i: artifacts.class_name(labels, int(i)))
    label = [artifacts.class_name(labels, int(first["label"][row])) for row in apart.index]
    shown = answers if len(tables) <= FEW else _count_answers(answers, label)
    shown.insert(0, "label", label)
    _show_rows(base, shown)


def _read_tables(runs: Sequence[store.Run], names: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Predictions by run id, of the runs that were evaluated on the same rows as the first.

    Raises:
        Missing: fewer than two have them.
    """
    tables: dict[str, pd.DataFrame] = {}
    lacking: dict[str, str] = {}
    for run in runs:
        try:
            tables[run.id] = artifacts.predictions(run.id).set_index("row")
        except Missing as missing:
            lacking[names[run.id]] = str(missing)
    if len(lacking) <= FEW:
        for name, why in lacking.items():
            st.caption(f"Left out, {name}: {why}")
    else:
        _say_left_out("Left out, without predictions of classes", list(lacking))
    if len(tables) < 2:
        raise Missing("Fewer than two of these runs have predictions of classes.")
    labels = next(iter(tables.values()))["label"].to_numpy()
    same = {i: t for i, t in tables.items() if np.array_equal(t["label"].to_numpy(), labels)}
    _say_left_out("Left out, evaluated on other rows", [names[i] for i in tables if i not in same])
    if len(same) < 2:
        raise Missing("These runs were not evaluated on the same rows.")
    return same


def _count_answers(answers: pd.DataFrame, label: Sequence[str]) -> pd.DataFrame:
    """How many runs are right, and how many gave each answer."""
    right = answers.eq(pd.Series(label, index=answers.index), axis=0).sum(axis=1)
    counted = [
        ", ".join(f"{name} × {count}" for name, count in row.value_counts().items())
        for _, row in answers.iterrows()
    ]
    return pd.DataFrame({"runs right": right, "answers": counted}, index=answers.index)


def _show_rows(run_id: str, shown: pd.DataFrame) -> None:
    """The rows, with their pictures where the run kept them."""
    kept = artifacts.samples(run_id)
    place = {row: i for i, row in enumerate(kept.row)}
    if kept.features.ndim == 4:
        addresses = [
            data_url(pictures.enlarge(inside.picture(kept.features[place[r]].numpy()), 48))
            if r in place
            else None
            for r in shown.index
        ]
        shown.insert(0, "picture", addresses)
    st.dataframe(
        shown.reset_index(),
        hide_index=True,
        key="disagreements",
        row_height=52,
        column_config={"picture": st.column_config.ImageColumn(width=60)},
        alt="Rows they disagree on",
    )
    widgets.csv(shown.drop(columns="picture", errors="ignore").reset_index(), "disagreements")
