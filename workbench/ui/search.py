"""One search for everything: pages and their parts, runs, settings. Ctrl+K opens it on every page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from workbench.errors import WorkbenchError
from workbench.experiments import load_experiment
from workbench.ui import forms, page_parts, store, widgets

SHORTCUT = "Ctrl+K"
_RUNS = 100
_USUAL = "digits_cnn"
_PARTS: Mapping[str, tuple[str, Sequence[str]]] = {
    "run": ("part", page_parts.RUN),
    "compare": ("compare_part", page_parts.COMPARE),
    "cnn": ("show", page_parts.CNN),
}
"""Of a page the name in its address, and the parts."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to find."""

    label: str
    page: str = ""
    """The view's file name; empty: a setting, which is explained in place."""
    query: tuple[tuple[str, str], ...] = ()
    text: str = ""
    """What a setting does."""


def draw(titles: Mapping[str, str]) -> None:
    """The button in the sidebar, and the dialog that it opens.

    Args:
        titles: name of a view to its title.
    """
    clicked = st.sidebar.button(
        "Search",
        icon=":material/search:",
        key="search_open",
        shortcut=SHORTCUT,
        width="stretch",
        help="Pages, runs and settings",
    )
    if clicked:
        st.session_state.pop("search_for", None)  # what was chosen last time
        _open(titles)


@st.dialog("Search")
def _open(titles: Mapping[str, str]) -> None:
    entries = collect(titles)
    chosen = st.selectbox(
        "Pages, runs and settings",
        range(len(entries)),
        index=None,
        format_func=lambda i: entries[i].label,
        placeholder="Type a part of a name",
        key="search_for",
        filter_mode="contains",
        help=f"Of the runs the latest {_RUNS} are listed. The page Runs searches all of them.",
    )
    if chosen is None:
        return
    entry = entries[chosen]
    if entry.page:
        st.switch_page(f"views/{entry.page}.py", query_params=dict(entry.query))
    name = entry.label.removeprefix("Setting: ")
    st.markdown(f"`{name}`\n\n{entry.text or 'No description.'}")
    st.page_link(
        "views/launch.py", label="Launch with another value", icon=":material/play_circle:"
    )
    st.page_link(
        "views/runs.py",
        label="Runs by its values",
        query_params={"group": name},
        icon=":material/table_rows:",
    )


def collect(titles: Mapping[str, str]) -> list[Entry]:
    """Everything that can be found: pages, their parts, the latest runs, settings."""
    pages = [Entry(label=f"Page: {title}", page=name) for name, title in titles.items()]
    parts = [
        Entry(label=f"Page: {titles[page]}, {part}", page=page, query=((key, part),))
        for page, (key, names) in _PARTS.items()
        for part in names
    ]
    runs = [
        Entry(
            label=f"Run: {widgets.run_label(run)}",
            page="sweep" if run.kind == "sweep" else "run",
            query=(("run", run.id),),
        )
        for run in store.recent((), _RUNS).rows
    ]
    return [*pages, *parts, *runs, *_settings()]


@functools.cache
def _settings() -> list[Entry]:
    try:
        fields = forms.fields(load_experiment(_USUAL))
    except WorkbenchError:
        return []
    return [Entry(label=f"Setting: {field.path}", text=field.help) for field in fields]
