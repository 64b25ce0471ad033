"""Runs by the values of parameters and tags: how many, and the mean and spread of metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from tracking.query import EXPERIMENT, Values
from workbench.ui import store, widgets
from workbench.ui.comparing.metrics import find_mode

KIND = "workbench.kind"
_NAMES = {"kind": KIND}
"""Names of a person to those of the store."""


def choices(names: store.Names) -> list[str]:
    """What runs can be grouped by."""
    return list(dict.fromkeys([EXPERIMENT, "kind", *names.tags, *names.params]))


def make_groups(
    values: Values, by: Sequence[str], metrics: Sequence[str], *, numbers: Collection[str] = ()
) -> pd.DataFrame:
    """A row per combination of values, the best mean of the first metric on top.

    Args:
        numbers: names whose values become numbers, where all of them are.

    Returns:
        Columns `by` (None: the run has no such value), `runs`, and of each metric `mean NAME`,
        `± NAME` (deviation of the sample, n - 1; NaN for one run) and `n NAME` where some lack it.
    """
    frame = pd.DataFrame(
        [
            [own.get(_NAMES.get(name, name)) for name in by] + [own.get(m) for m in metrics]
            for own in values.values()
        ],
        columns=[*by, *(f"m{i}" for i in range(len(metrics)))],
    )
    for name in by:
        if name in numbers:
            frame[name] = _as_numbers(frame[name])
    grouped = frame.groupby(list(by), dropna=False, sort=True)
    table = grouped.size().rename("runs").to_frame()
    for i, metric in enumerate(metrics):
        column = grouped[f"m{i}"]
        table[f"mean {metric}"], table[f"± {metric}"] = column.mean(), column.std(ddof=1)
        if (count := column.count()).ne(table["runs"]).any():
            table[f"n {metric}"] = count
    first = f"mean {metrics[0]}" if metrics else "runs"
    rising = bool(metrics) and find_mode(metrics[0]) == "min"
    ordered = table.sort_values(first, ascending=rising, kind="stable", na_position="last")
    return ordered.reset_index()


def _as_numbers(column: pd.Series) -> pd.Series:
    """Texts as numbers where all of them are, so that 9 comes before 10."""
    numbers = pd.to_numeric(column, errors="coerce")
    return column.where(column.notna(), None) if numbers.isna().ne(column.isna()).any() else numbers


def draw(
    query: store.Query, by: Sequence[str], metrics: Sequence[str], names: store.Names
) -> dict[str, Any] | None:
    """The table of groups. Returns the values of the group whose runs were asked for, else None.

    Raises:
        QueryError: the store does not understand the filter.
    """
    values = store.values(query, [*(_NAMES.get(name, name) for name in by), *metrics])
    if not values:
        st.info("No run matches.", icon=":material/search_off:")
        return None
    frame = make_groups(values, by, metrics, numbers=names.params)
    actions = st.container(horizontal=True, vertical_alignment="center", key="group_actions")
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="groups",
        height=widgets.table_height(len(frame), 760),
        placeholder="–",
        column_config=_configure(frame, by),
        alt="Groups of runs",
    )
    st.caption(
        f"{len(frame):,} {'group' if len(frame) == 1 else 'groups'} of {len(values):,} runs. Mean ± deviation of the last value of "
        "each metric; n where some runs have none."
    )
    widgets.csv(frame, "groups")
    ticked = event["selection"]["rows"]
    with actions:
        if not ticked:
            st.caption("Tick a group to see its runs.")
            return None
        clicked = st.button("Its runs", key="group_runs", type="primary")
    return values_of_row(frame, by, int(ticked[0])) if clicked else None


def values_of_row(frame: pd.DataFrame, by: Sequence[str], row: int) -> dict[str, Any]:
    """What the runs of a group have in common, missing values as None."""
    return {n: None if pd.isna(frame[n].iloc[row]) else frame[n].iloc[row] for n in by}


def conditions(values: Mapping[str, Any], names: store.Names) -> str:
    """A filter for the runs of a group."""
    parts = []
    for name, value in values.items():
        if name == EXPERIMENT:
            parts.append(f"experiment = {_quoted(value)}")
            continue
        kind = "params" if name in names.params else "tags"
        key = f"{kind}.`{_NAMES.get(name, name)}`"
        if value is None:
            parts.append(f"{key} IS NULL")
        elif isinstance(value, str):
            parts.append(f"{key} = {_quoted(value)}")
        else:  # compared as a number: 0.01 is written in several ways
            parts.append(f"{key} = {_write_number(float(value))}")
    return " and ".join(parts)


def _write_number(value: float) -> str:
    """As short as possible, and read again as the same number."""
    short = f"{value:.12g}"
    return short if float(short) == value else repr(value)


def _quoted(text: object) -> str:
    return f'"{text}"' if "'" in str(text) else f"'{text}'"


def _configure(frame: pd.DataFrame, by: Sequence[str]) -> dict[str, Any]:
    column = st.column_config
    config: dict[str, Any] = {name: column.Column(pinned=True) for name in by}
    for name in frame.columns:
        if name not in by and pd.api.types.is_float_dtype(frame[name]):
            config[name] = column.NumberColumn(format="%.4g")
    return config
