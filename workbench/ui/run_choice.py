"""Choosing a run, or several: those in the address, the latest, or any that is typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from workbench.ui import store, widgets

_ID = re.compile(r"[0-9a-f]{32}")
_LISTED = 100
_UNFOLDED = 10
"""More chosen runs than this would fill the window."""
_HELP = (
    "Type a name, words or a condition such as accuracy > 0.9, and press Enter: all runs are "
    "searched. The list itself has the latest only."
)
Options = dict[str, store.Run]


def pick_run(
    *,
    kinds: Sequence[str] = ("train", "trial"),
    label: str = "Run",
    suits: str = "",
    what: str = "",
) -> store.Run:
    """The run in the address (`?run=`), else the last one looked at, else the newest.

    Args:
        suits: a filter of the runs that the page can show. One in the address is shown anyway.
        what: what such a run has, for the message where there is none.
    """
    key = f"pick_{'_'.join(kinds)}_{what}"
    options, total = _recent(kinds, suits)
    in_url = st.query_params.get("run")
    remembered = st.session_state.get("last_run")
    if remembered not in options and (suits or not _add(remembered, options)):
        remembered = None
    if in_url and not _add(in_url, options):
        st.warning(f"There is no run {in_url[:40]!r} in this store.", icon=":material/link_off:")
    if not options:
        _no_run(kinds, what)
    typed = st.session_state.get(key)
    if in_url in options and in_url != st.session_state.get("seen_url"):
        st.session_state[key] = in_url  # a link was followed
    elif typed not in options:
        found = _search(typed, kinds, options, f"{key}_found")
        st.session_state[key] = found or in_url or remembered or next(iter(options))
        if st.session_state[key] not in options:
            st.session_state[key] = next(iter(options))
    for run_id in st.session_state.get(f"{key}_found", ()):
        _add(run_id, options)
    chosen = st.selectbox(
        _describe(label, total),
        list(options),
        format_func=lambda run_id: widgets.run_label(options[run_id]),
        key=key,
        accept_new_options=True,
        filter_mode="contains",
        help=_HELP,
    )
    assert chosen is not None
    st.query_params["run"] = chosen
    st.session_state["seen_url"] = chosen
    if "sweep" not in kinds:
        st.session_state["last_run"] = chosen
    fresh = store.run(chosen)
    return options[chosen] if fresh is None else fresh


def pick_runs(most: int, kinds: Sequence[str] = ("train", "trial")) -> list[store.Run]:
    """The runs in the address (`?runs=`), and those that are added to them."""
    options, total = _recent(kinds, "")
    ids = [i for i in st.query_params.get("runs", "").split(",") if i][:most]
    lost = [i for i in ids if not _add(i, options)]
    if not options:
        _no_run(kinds, "")
    if lost:
        names = ", ".join(i[:40] for i in lost)
        st.warning(f"Not in this store: {names}.", icon=":material/link_off:")
    if ids != st.session_state.get("compare_seen"):
        st.session_state["compare_runs"] = [i for i in ids if i in options]
    chosen = []
    for value in st.session_state.get("compare_runs", []):
        if not _add(value, options):
            value = _search(value, kinds, options, "compare_found")
        chosen += [value] if value else []
    st.session_state["compare_runs"] = list(dict.fromkeys(chosen))[:most]
    for run_id in st.session_state.get("compare_found", ()):
        _add(run_id, options)
    count = len(st.session_state["compare_runs"])
    folded = count > _UNFOLDED
    place = st.expander(f"{count} runs", icon=":material/checklist:") if folded else st
    picked = place.multiselect(
        _describe("Runs", total),
        list(options),
        format_func=lambda i: widgets.run_label(options[i]),
        key="compare_runs",
        max_selections=most,
        placeholder="Choose runs",
        accept_new_options=True,
        filter_mode="contains",
        help=_HELP,
    )
    st.query_params["runs"] = ",".join(picked)
    st.session_state["compare_seen"] = list(picked)
    return [options[i] for i in picked]


def link_to(run: store.Run, page: str, label: str) -> None:
    """A link to another page with the same run."""
    st.page_link(page, label=f"{label}: {run.name}", query_params={"run": run.id})


def _recent(kinds: Sequence[str], suits: str) -> tuple[Options, int]:
    page = store.recent(tuple(kinds), _LISTED, suits)
    return {run.id: run for run in page.rows}, page.total


def _add(run_id: str | None, options: Options) -> bool:
    """Whether a run is among the options, which it joins if the store has it."""
    if run_id is None or not _ID.fullmatch(run_id):
        return False
    if run_id not in options:
        run = store.run(run_id)
        if run is None:
            return False
        options[run_id] = run
    return True


def _search(typed: str | None, kinds: Sequence[str], options: Options, key: str) -> str | None:
    """Add the runs that match what was typed, an exact name first; the first of them."""
    if not typed or _ID.fullmatch(typed):
        return None
    try:
        runs = store.recent(tuple(kinds), _LISTED, typed).rows
    except store.QueryError as error:
        st.warning(str(error), icon=":material/filter_alt_off:")
        return None
    if not runs:
        st.warning(f"No run matches {typed[:60]!r}.", icon=":material/search_off:")
        return None
    runs = sorted(runs, key=lambda run: run.name != typed)
    options |= {run.id: run for run in runs}
    st.session_state[key] = [run.id for run in runs]
    return runs[0].id


def _describe(label: str, total: int) -> str:
    if total <= _LISTED:
        return label
    return f"{label} (the latest {_LISTED} of {total:,}; type to search all)"


def _no_run(kinds: Sequence[str], what: str) -> None:
    """The page cannot go on without a run."""
    if what and store.recent(tuple(kinds), 1).rows:
        st.info(f"No run in this store has a {what} yet.", icon=":material/search_off:")
    else:
        widgets.first_steps()
    st.stop()
