"""The settings in which runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from workbench.ui import store, widgets
from workbench.ui.comparing.names import FEW, short_names

_DIFFERENT = "background-color: rgba(224, 129, 45, 0.22)"


def draw_settings(runs: Sequence[store.Run]) -> None:
    """A row per setting and a column per run; of many runs a row per run."""
    names = short_names(runs)
    every = _read(runs, names)
    differing = every.loc[:, every.nunique() > 1]
    only = st.toggle("Only what differs", value=True, key="only_differing", bind="query-params")
    st.caption(f"{differing.shape[1]} of {every.shape[1]} settings differ.")
    shown = differing if only else every
    if shown.shape[1] == 0:
        st.info(
            "These runs have the same settings. The seed counts as one.", icon=":material/equal:"
        )
        return
    few = len(runs) <= FEW
    frame = shown.T.rename_axis("setting") if few else shown.rename_axis("run")
    marked = frame.style
    if few and not only:
        marked = marked.apply(
            lambda row: [_DIFFERENT if row.nunique() > 1 else ""] * len(row), axis=1
        )
    st.dataframe(
        marked,
        key="compare_settings",
        height=widgets.table_height(len(frame), 760),
        column_config={"setting": st.column_config.TextColumn(width="medium")},
        alt="Settings of every run",
    )
    widgets.csv(frame.reset_index(), "compare_settings")


def find_differing(runs: Sequence[store.Run], names: Mapping[str, str]) -> pd.DataFrame:
    """A row per run (its name), a column per setting that is not the same in all of them."""
    every = _read(runs, names)
    return every.loc[:, every.nunique() > 1]


def _read(runs: Sequence[store.Run], names: Mapping[str, str]) -> pd.DataFrame:
    keys = sorted({key for run in runs for key in run.params})
    return pd.DataFrame(
        [[run.params.get(key, "") for key in keys] for run in runs],
        index=[names[run.id] for run in runs],
        columns=keys,
    )
