"""Names, tags and notes of runs, edited in the table itself."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from workbench.ui import store

_NOTE = "note"
_NAME = "run"


def edit_table(runs: Sequence[store.Run], key: str) -> bool:
    """Draw the table to edit, and write what was changed in it. Whether anything was."""
    tags = list(dict.fromkeys(tag for run in runs for tag in run.own_tags))
    rows = [
        {"status": run.state, "experiment": run.experiment, _NAME: run.name, _NOTE: run.note}
        | {f"tag {tag}": run.own_tags.get(tag, "") for tag in tags}
        for run in runs
    ]
    frame = pd.DataFrame(rows)
    edited = st.data_editor(
        frame,
        hide_index=True,
        disabled=["status", "experiment"],
        key=key,
        placeholder="",
        alt="Runs to edit",
    )
    st.caption("A change is saved when you leave the cell. A new tag: tick rows, *Tag or note*.")
    changes = edited.fillna("").compare(frame).index
    for row in changes:
        _write(runs[int(row)], frame.loc[row], edited.fillna("").loc[row])
    return len(changes) > 0


def _write(run: store.Run, before: pd.Series, after: pd.Series) -> None:
    for column in before.index:
        value = str(after[column])
        if value == str(before[column]):
            continue
        try:
            if column == _NAME:
                store.rename(run.id, value)
            elif column == _NOTE:
                store.write_note(run.id, value)
            else:
                store.annotate([run.id], str(column).removeprefix("tag "), value, "")
        except store.TrackingError as error:
            st.error(str(error))
            return
    st.toast("Saved.")
