"""All runs: search, sort, pick, and from there to everything else."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from workbench.ui import store, widgets

_PAGE_SIZE = 50
_LIVE_S = 5
_KINDS = {
    "all": (),
    "by sweep": ("train", "sweep"),
    "trainings": ("train",),
    "sweeps": ("sweep",),
    "trials": ("trial",),
}
_SHOWN = ("current", "archived", "deleted")
_MAIN = "validation/accuracy"
_START = "start time"


def main() -> None:
    widgets.title("Runs", "Every training, sweep and trial in the tracking store.")
    names = store.names()
    if not names.experiments and not store.page().rows:
        widgets.first_steps()
        return
    query = _controls(names)
    table(query)


def _controls(names: store.Names) -> store.Query:
    left, middle, right = st.columns([5, 5, 2], vertical_alignment="bottom")
    text = left.text_input(
        "Filter",
        key="q",
        bind="query-params",
        placeholder="metrics.`validation/accuracy` > 0.9 and params.`net.activation` = 'relu'",
        help="MLflow's own query syntax. Names with a slash or a dot go in backticks.",
    )
    text_of_kind = "by sweep: a sweep is one row, with the best of its trials."
    kind = widgets.choose("Kind", list(_KINDS), "kind", middle, help=text_of_kind)
    shown = right.selectbox(
        "Show",
        _SHOWN,
        key="shown",
        bind="query-params",
        help="Archived runs are kept out of the way, deleted ones until they are removed for good.",
    )
    with st.expander("Sort, experiments, columns", icon=":material/tune:"):
        a, b, c = st.columns([3, 1, 3], vertical_alignment="bottom")
        keys = [_START, *names.metrics, *names.params]
        order = a.selectbox("Sort by", keys, key="sort", bind="query-params")
        down = b.toggle("Descending", value=True, key="down", bind="query-params")
        experiments = c.multiselect(
            "Experiments", names.experiments, key="experiments", bind="query-params"
        )
        columns = st.multiselect(
            "Columns",
            [*names.metrics, *names.params],
            default=[n for n in store.USUAL_COLUMNS if n in (*names.metrics, *names.params)],
            key="columns",
            bind="query-params",
        )
    sweep = st.query_params.get("sweep_id", "")
    if sweep:
        bar = st.container(horizontal=True, vertical_alignment="center")
        bar.button("All runs", key="leave_sweep", on_click=_open_sweep, args=("",))
        bar.caption(f"Only the trials of sweep `{sweep[:32]}`.")
    st.session_state["runs_columns"] = tuple(columns)
    return store.Query(
        text=text or "",
        kinds=() if sweep else _KINDS[kind],
        experiments=tuple(experiments),
        order=store.START if order in (None, _START) else order,
        descending=bool(down),
        archived=None if sweep or shown == "deleted" else shown == "archived",
        deleted=shown == "deleted",
        parent=sweep if sweep.isalnum() else "",
    )


def table(query: store.Query) -> None:
    """The current page of the table; refreshed by itself while a run on it is live."""
    st.session_state.setdefault("runs_live", True)

    @st.fragment(run_every=_LIVE_S if st.session_state["runs_live"] else None)
    def body() -> None:
        try:
            shown_page = store.page(query, st.session_state.get("runs_offset", 0), _PAGE_SIZE)
        except store.QueryError as error:
            st.warning(str(error), icon=":material/filter_alt_off:")
            return
        live = any(run.status == "RUNNING" for run in shown_page.rows)
        if live != st.session_state["runs_live"]:
            st.session_state["runs_live"] = live
            st.rerun()
        _draw(query, shown_page)

    body()


def _draw(query: store.Query, page: store.Page) -> None:
    if not page.rows:
        st.info("No run matches.", icon=":material/search_off:")
        return
    frame = _frame(page)
    event = st.dataframe(
        frame.drop(columns="run id"),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"runs_table{query.parent}",  # what is ticked belongs to this list
        height=widgets.table_height(len(frame), 760),
        placeholder="",
        column_config=_column_config(frame),
        alt="Runs",
    )
    _pager(page)
    picked = [page.rows[i] for i in event["selection"]["rows"] if i < len(page.rows)]
    _actions(picked, query)
    widgets.csv(frame.drop(columns="curve"), "runs")


def _frame(page: store.Page) -> pd.DataFrame:
    curves = store.sparklines([run.id for run in page.rows], _MAIN)
    rows = []
    for run in page.rows:
        row = {
            "run": run.name,
            "status": run.status.lower(),
            "kind": run.kind,
            "experiment": run.experiment,
            "started": pd.Timestamp(run.start, unit="s") if run.start else pd.NaT,
            "took": widgets.duration(run.seconds),
            "curve": curves.get(run.id, []),
        }
        row |= {name: run.value(name) for name in st.session_state["runs_columns"]}
        row["run id"] = run.id
        rows.append(row)
    return pd.DataFrame(rows)


def _column_config(frame: pd.DataFrame) -> dict[str, Any]:
    config: dict[str, Any] = {
        "status": st.column_config.TextColumn(help="stopped: ended early by its sweep", width=80),
        "kind": st.column_config.TextColumn(width=60),
        "run": st.column_config.TextColumn(pinned=True),
        "started": st.column_config.DatetimeColumn(format="D MMM, HH:mm"),
        "curve": st.column_config.LineChartColumn(width="small", help=_MAIN, y_min=0, y_max=1),
    }
    for name in frame.columns:
        if pd.api.types.is_float_dtype(frame[name]):
            config[name] = st.column_config.NumberColumn(format="%.4g")
    return config


def _open_sweep(run_id: str) -> None:
    """Show the trials of a sweep; of none: all runs."""
    st.session_state["runs_offset"] = 0
    if run_id:
        st.query_params["sweep_id"] = run_id
    else:
        st.query_params.pop("sweep_id", None)


def _alike(run: store.Run) -> None:
    """Filter by clicking: values of this run become conditions of the query."""
    shown = {"experiment": run.experiment} | {
        name: run.params[name] for name in st.session_state["runs_columns"] if name in run.params
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
    st.session_state["runs_offset"] = 0


def _pager(shown_page: store.Page) -> None:
    offset: int = st.session_state.get("runs_offset", 0)
    left, middle, right = st.columns([1, 3, 1], vertical_alignment="center")
    if left.button("Newer" if offset else "First page", disabled=not offset, key="runs_back"):
        st.session_state["runs_offset"] = max(0, offset - _PAGE_SIZE)
        st.rerun()
    middle.caption(f"{offset + 1} to {offset + len(shown_page.rows)} of {shown_page.total:,}")
    if right.button("Next page", disabled=offset + _PAGE_SIZE >= shown_page.total, key="runs_next"):
        st.session_state["runs_offset"] = offset + _PAGE_SIZE
        st.rerun()


def _actions(picked: list[store.Run], query: store.Query) -> None:
    if not picked:
        st.caption("Tick rows to open, compare, tag, archive or delete them.")
        return
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    first, ids = picked[0], [run.id for run in picked]
    where = "views/sweep.py" if first.kind == "sweep" else "views/run.py"
    if bar.button("Open", key="act_open", type="primary", disabled=len(picked) != 1):
        st.switch_page(where, query_params={"run": first.id})
    if first.kind == "sweep":
        clicked = bar.button("Its trials", key="act_trials", on_click=_open_sweep, args=(first.id,))
        if clicked:
            st.rerun()  # the whole page, not this fragment alone
    with bar.popover("Runs like this", icon=":material/filter_alt:", disabled=len(picked) != 1):
        _alike(first)
    if bar.button("Compare", key="act_compare", disabled=len(picked) < 2):
        st.switch_page("views/compare.py", query_params={"runs": ",".join(ids[:10])})
    if bar.button("Look inside", key="act_inside", disabled=len(picked) != 1):
        page = "views/rnn.py" if first.params.get("net.kind") == "rnn" else "views/cnn.py"
        st.switch_page(page, query_params={"run": first.id})
    _put_away(bar, picked, query)
    with bar.popover("Tag or note", icon=":material/sell:"), st.form("tagging", border=False):
        tag = st.text_input("Tag", key="tag_name", placeholder="keep")
        value = st.text_input("Value", key="tag_value", placeholder="yes")
        note = st.text_area("Note", key="tag_note", placeholder="Why this run matters")
        if st.form_submit_button("Save", key="tag_save"):
            try:
                store.annotate(ids, tag.strip(), value, note)
                st.toast("Saved.")
            except store.TrackingError as error:
                st.error(str(error))


def _put_away(bar: Any, picked: list[store.Run], query: store.Query) -> None:
    """Archive and delete, or the way back from there."""
    if not query.deleted:
        archived = all("workbench.archived" in run.tags for run in picked)
        verb = "Unarchive" if archived else "Archive"
        if bar.button(verb, key="act_archive", help="With a sweep go its trials. Nothing is lost."):
            store.set_archived(picked, not archived)
            st.toast(f"{len(picked)} run(s) {verb.lower()}d.")
            st.rerun()
    verb = "Restore" if query.deleted else "Delete"
    if bar.button(verb, key="act_delete", help="Deleted runs can be shown and restored."):
        store.set_deleted([run.id for run in picked], not query.deleted)
        st.toast(f"{len(picked)} run(s) {verb.lower()}d.")
        st.rerun()


main()
