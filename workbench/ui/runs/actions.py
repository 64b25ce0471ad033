"""What is done to ticked rows of the table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from workbench.ui import store
from workbench.ui.comparing.names import MOST_RUNS
from workbench.ui.inside.pages import find_page
from workbench.ui.runs import place

_EDIT = "Edit names, tags and notes"


def draw_edit_switch() -> None:
    """The switch between the table to tick rows in and the one to edit."""
    st.toggle(_EDIT, key="runs_edit")


def draw(picked: list[store.Run], query: store.Query, columns: Sequence[str]) -> None:
    """Buttons for the ticked runs; `columns` are offered to find runs alike."""
    if not picked:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Tick rows to open, compare, tag, archive or delete them.")
            draw_edit_switch()
        return
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    first, ids = picked[0], [run.id for run in picked]
    where = "views/sweep.py" if first.kind == "sweep" else "views/run.py"
    if bar.button("Open", key="act_open", type="primary", disabled=len(picked) != 1):
        st.switch_page(where, query_params={"run": first.id})
    if first.kind == "sweep":
        clicked = bar.button(
            "Its trials", key="act_trials", on_click=place.open_sweep, args=(first.id,)
        )
        if clicked:
            st.rerun()  # the whole page, not this fragment alone
    with bar.popover("Runs like this", icon=":material/filter_alt:", disabled=len(picked) != 1):
        _find_alike(first, columns)
    if bar.button("Compare", key="act_compare", disabled=len(picked) < 2):
        compare(ids)
    if bar.button("Look inside", key="act_inside", disabled=len(picked) != 1):
        st.switch_page(find_page(first), query_params={"run": first.id})
    _put_away(bar, picked, query)
    with bar.popover("Tag or note", icon=":material/sell:"), st.form("tagging", border=False):
        _draw_tagging(ids)


def compare(ids: Sequence[str]) -> None:
    """Open the page that compares, with the first of these runs."""
    st.switch_page("views/compare.py", query_params={"runs": ",".join(ids[:MOST_RUNS])})


def _draw_tagging(ids: list[str]) -> None:
    tag = st.text_input("Tag", key="tag_name", placeholder="keep")
    value = st.text_input("Value", key="tag_value", placeholder="yes")
    note = st.text_area("Note", key="tag_note", placeholder="Why this run matters")
    if st.form_submit_button("Save", key="tag_save"):
        try:
            store.annotate(ids, tag.strip(), value, note)
            st.toast("Saved.")
            st.rerun()
        except store.TrackingError as error:
            st.error(str(error))


def _put_away(bar: Any, picked: list[store.Run], query: store.Query) -> None:
    """Archive and delete, or the way back from there."""
    if not query.deleted:
        archived = all("workbench.archived" in run.tags for run in picked)
        verb = "Unarchive" if archived else "Archive"
        if bar.button(verb, key="act_archive", help="With a sweep go its trials. Nothing is lost."):
            store.set_archived(picked, not archived)
            place.untick()
            st.toast(f"{len(picked)} run(s) {verb.lower()}d.")
            st.rerun()
    verb = "Restore" if query.deleted else "Delete"
    if bar.button(verb, key="act_delete", help="Deleted runs can be shown and restored."):
        store.set_deleted([run.id for run in picked], not query.deleted)
        place.untick()
        st.toast(f"{len(picked)} run(s) {verb.lower()}d.")
        st.rerun()


def _find_alike(run: store.Run, columns: Sequence[str]) -> None:
    """Filter by clicking: values of this run become conditions of the query."""
    shown = {"experiment": run.experiment} | {
        name: run.params[name] for name in columns if name in run.params
    }
    picked = st.pills(
        "Only runs with the same",
        list(shown),
        format_func=lambda name: f"{name} = {shown[name]}",
        selection_mode="multi",
        key="alike",
    )
    clicked = st.button(
        "Filter",
        key="alike_go",
        disabled=not picked,
        on_click=_filter_by,
        args=({name: str(shown[name]) for name in picked},),
    )
    if clicked:
        st.rerun()


def _filter_by(values: dict[str, str]) -> None:
    if experiment := values.pop("experiment", None):
        st.session_state["experiments"] = [experiment]
    quoted = {n: f'"{v}"' if "'" in v else f"'{v}'" for n, v in values.items()}
    conditions = [f"params.`{name}` = {value}" for name, value in quoted.items()]
    if conditions:
        st.session_state["q"] = " and ".join(conditions)
    place.go_to(0)
