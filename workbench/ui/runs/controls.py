"""What a person asks of the table of runs: which runs, in which order, grouped by what, which columns."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from workbench.ui import store, widgets
from workbench.ui.runs import columns, groups, suggestions, view_menu

_KINDS = {
    "all": (),
    "by sweep": ("train", "sweep"),
    "trainings": ("train",),
    "sweeps": ("sweep",),
    "trials": ("trial",),
}
_SHOWN = ("current", "archived", "deleted")
_START = "start time"
_OPENED = "Group, sort, experiments, columns"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the runs are shown."""

    group: tuple[str, ...] = ()
    """Parameters and tags to group by; (): a row per run."""
    columns: tuple[str, ...] = ()
    """Metrics and parameters; (): those that suit the runs."""
    hidden: tuple[str, ...] = ()
    """Columns left out."""
    pinned: tuple[str, ...] = ()
    """Columns that stay where they are beside the name."""


def draw(names: store.Names, sweep: str) -> tuple[store.Query, Layout]:
    """The search box and all controls; what they say.

    Args:
        sweep: only the trials of this run; empty: all runs.
    """
    defaults = _defaults(names)
    view_menu.open_from_address(defaults)
    left, middle, right = st.columns([5, 5, 2], vertical_alignment="bottom")
    with left:
        text = _search_box()
    text_of_kind = "by sweep: a sweep is one row, with the best of its trials."
    kind = widgets.choose("Kind", list(_KINDS), "kind", middle, help=text_of_kind)
    shown = right.selectbox(
        "Show",
        _SHOWN,
        key="shown",
        bind="query-params",
        help="Archived runs are kept out of the way, deleted ones until they are removed for good.",
    )
    _explain(text)
    wide, narrow = st.columns([6, 1])
    with narrow:
        view_menu.draw(defaults)
    with wide, st.expander(_OPENED, icon=":material/tune:"):
        order, down, experiments = _draw_order(names)
        layout = _draw_layout(names)
    query = store.Query(
        text=text,
        kinds=() if sweep else _KINDS[kind],
        experiments=tuple(experiments),
        order=store.START if order in (None, _START) else order,
        descending=down,
        archived=None if sweep or shown == "deleted" else shown == "archived",
        deleted=shown == "deleted",
        parent=sweep if sweep.isalnum() else "",
    )
    return query, layout


def _defaults(names: store.Names) -> view_menu.Defaults:
    """What a saved view holds: the controls, their usual values and choices."""
    chosen = [*names.metrics, *names.params]
    return {
        "q": ("", None),
        "kind": (next(iter(_KINDS)), list(_KINDS)),
        "shown": (_SHOWN[0], _SHOWN),
        "sort": (_START, [_START, *chosen, *names.tags]),
        "down": (True, (True, False)),
        "experiments": ([], names.experiments),
        "group": ([], groups.choices(names)),
        "columns": ([], chosen),
        "hide": ([], _hideable(names)),
        "pin": ([], _hideable(names)),
    }


def _hideable(names: store.Names) -> list[str]:
    return list(dict.fromkeys([*columns.FIXED, *names.tags, *names.metrics, *names.params]))


def _search_box() -> str:
    text = st.text_input(
        "Filter",
        key="q",
        bind="query-params",
        placeholder="digits_cnn maxout, failed or stopped, accuracy > 0.9 and lr < 1e-3",
        help="Words: in the name, experiment, note, tags, values of parameters. A status: "
        "running, finished, failed, stopped. Conditions on metrics, parameters and tags; the last "
        "part of a name is enough. Names that fit are listed while you type: arrow keys and Enter "
        "take one. MLflow's own syntax works too.",
    )
    return text or ""


def offer_names(names: store.Names) -> None:
    """Names that fit while a filter is typed. At the end of a page, as the offer takes a line there."""
    suggestions.offer("q", suggestions.collect(names))


def _explain(text: str) -> None:
    """The filter with every name whole, where that says more than what was typed."""
    try:
        read = store.explain(text)
    except store.QueryError:
        return  # said in place of the table
    if read not in ("", text):
        st.caption(f"Read as ` {read} `" if "`" not in read else f"Read as `` {read} ``")


def _draw_order(names: store.Names) -> tuple[str | None, bool, list[str]]:
    a, b, c = st.columns([3, 1, 3], vertical_alignment="bottom")
    order = a.selectbox(
        "Sort by",
        [_START, *names.metrics, *names.params, *names.tags],
        key="sort",
        bind="query-params",
    )
    down = b.toggle("Descending", value=True, key="down", bind="query-params")
    experiments = c.multiselect(
        "Experiments", names.experiments, key="experiments", bind="query-params"
    )
    return order, bool(down), experiments


def _draw_layout(names: store.Names) -> Layout:
    a, b = st.columns([1, 1])
    group = a.multiselect(
        "Group by",
        groups.choices(names),
        key="group",
        bind="query-params",
        placeholder="a row per run",
        help="A row per value, with the number of runs, and mean and deviation of the metrics "
        "among the columns. Of several: a row per combination.",
    )
    chosen = b.multiselect(
        "Columns",
        [*names.metrics, *names.params],
        key="columns",
        bind="query-params",
        placeholder="those that suit the runs",
        help="Without a choice: the metrics of what the runs learn, and the settings in which "
        "they differ.",
    )
    c, d = st.columns([1, 1])
    options = _hideable(names)
    hidden = c.multiselect(
        "Hide", options, key="hide", bind="query-params", placeholder="no column"
    )
    pinned = d.multiselect(
        "Pin",
        options,
        key="pin",
        bind="query-params",
        placeholder="the name alone",
        help="Columns that stay beside the name when the table is moved sideways.",
    )
    return Layout(
        group=tuple(group), columns=tuple(chosen), hidden=tuple(hidden), pinned=tuple(pinned)
    )
