"""All runs: search, sort, pick, and from there to everything else."""

from __future__ import annotations

from typing import Any

import streamlit as st

from workbench.ui import runs_editor, runs_table, store, view_menu, watch, widgets

_PAGE_SIZE = 50
_KINDS = {
    "all": (),
    "by sweep": ("train", "sweep"),
    "trainings": ("train",),
    "sweeps": ("sweep",),
    "trials": ("trial",),
}
_SHOWN = ("current", "archived", "deleted")
_START = "start time"
_EDIT = "Edit names, tags and notes"


def main() -> None:
    widgets.title("Runs", "Every training, sweep and trial in the tracking store.")
    watch.redraw_on_change("runs")
    names = store.names()
    if not names.experiments and not store.page().rows:
        widgets.first_steps()
        return
    query = _controls(names)
    table(query)


def _defaults(names: store.Names) -> view_menu.Defaults:
    """What a saved view holds: the controls, their usual values and choices."""
    columns = [*names.metrics, *names.params]
    return {
        "q": ("", None),
        "kind": (next(iter(_KINDS)), list(_KINDS)),
        "shown": (_SHOWN[0], _SHOWN),
        "sort": (_START, [_START, *columns, *names.tags]),
        "down": (True, (True, False)),
        "experiments": ([], names.experiments),
        "columns": ([n for n in store.USUAL_COLUMNS if n in columns], columns),
    }


def _controls(names: store.Names) -> store.Query:
    defaults = _defaults(names)
    view_menu.open_from_address(defaults)
    left, middle, right = st.columns([5, 5, 2], vertical_alignment="bottom")
    text = left.text_input(
        "Filter",
        key="q",
        bind="query-params",
        placeholder="digits_cnn maxout, failed or stopped, accuracy > 0.9 and lr < 1e-3",
        help="Words: in the name, experiment, note, tags, values of parameters. A status: "
        "running, finished, failed, stopped. Conditions on metrics, parameters and tags; the last "
        "part of a name is enough. MLflow's own syntax works too.",
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
    _explain(text or "")
    wide, narrow = st.columns([9, 1])
    with narrow:
        view_menu.draw(defaults)
    with wide, st.expander("Sort, experiments, columns", icon=":material/tune:"):
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
        columns = st.multiselect(
            "Columns",
            [*names.metrics, *names.params],
            default=defaults["columns"][0],
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


def _explain(text: str) -> None:
    """The filter with every name whole, where that says more than what was typed."""
    try:
        read = store.explain(text)
    except store.QueryError:
        return  # said in place of the table
    if read not in ("", text):
        st.caption(f"Read as ` {read} `" if "`" not in read else f"Read as `` {read} ``")


def table(query: store.Query) -> None:
    """One page of the table, with what can be done to the ticked rows above it."""
    if st.session_state.setdefault("runs_query", query) != query:
        st.session_state["runs_query"] = query
        _go_to(0)
    offset = _offset()
    try:
        page = store.page(query, offset, _PAGE_SIZE)
    except store.QueryError as error:
        st.warning(str(error), icon=":material/filter_alt_off:")
        return
    if not page.rows and page.total:  # the address names a page that is no longer there
        _go_to(0)
        page = store.page(query, 0, _PAGE_SIZE)
    if not page.rows:
        st.info("No run matches.", icon=":material/search_off:")
        return
    _draw(query, page)


def _draw(query: store.Query, page: store.Page) -> None:
    # What is ticked belongs to this list of runs.
    key = f"runs_table{query.parent}_{st.session_state.get('runs_generation', 0)}"
    actions = st.container(key="runs_actions")
    editing = st.session_state.get("runs_edit", False)
    rows = _rows_to_show(query, page, key, hold=editing)
    if editing:
        with actions:
            st.toggle(_EDIT, key="runs_edit")
        if runs_editor.edit_table(rows, f"runs_editor_{key}"):
            _untick()
            st.rerun()
        _pager(page, query)
        return
    frame = runs_table.make_frame(rows, st.session_state["runs_columns"])
    event = st.dataframe(
        frame.drop(columns="run id"),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=key,
        height=widgets.table_height(len(frame), 760),
        placeholder="",
        column_config=runs_table.configure_columns(frame),
        alt="Runs",
    )
    picked = [rows[i] for i in event["selection"]["rows"] if i < len(rows)]
    with actions:
        _actions(picked, query)
    _pager(page, query)


def _rows_to_show(query: store.Query, page: store.Page, key: str, *, hold: bool) -> list[store.Run]:
    """The page's rows. While rows are ticked or edited no other run moves into their place."""
    place = (query, _offset())
    ids = [run.id for run in page.rows]
    drawn = st.session_state.get("runs_drawn")
    ticked = st.session_state.get(key, {}).get("selection", {}).get("rows", [])
    if not (ticked or hold) or drawn is None or drawn[0] != place or drawn[1] == ids:
        st.session_state["runs_drawn"] = (place, ids)
        return page.rows
    fresh = {run.id: run for run in page.rows}
    rows = [fresh.get(i) or store.run(i) for i in drawn[1]]
    if new := len(set(ids) - set(drawn[1])):
        bar = st.container(horizontal=True, vertical_alignment="center")
        bar.markdown(f"**{new} new {'run' if new == 1 else 'runs'}**")
        if bar.button("Show", key="runs_show_new", help="Unticks the rows."):
            _untick()
            st.rerun()
    return [run for run in rows if run is not None]


def _untick() -> None:
    st.session_state["runs_generation"] = st.session_state.get("runs_generation", 0) + 1


def _offset() -> int:
    """Rows before the page that is shown; the address keeps the page."""
    number = st.query_params.get("page", "1")
    return (int(number) - 1) * _PAGE_SIZE if number.isdecimal() and 1 <= int(number) < 10**6 else 0


def _go_to(offset: int) -> None:
    _untick()
    if offset:
        st.query_params["page"] = str(offset // _PAGE_SIZE + 1)
    else:
        st.query_params.pop("page", None)


def _open_sweep(run_id: str) -> None:
    """Show the trials of a sweep; of none: all runs."""
    _go_to(0)
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
    _go_to(0)


def _pager(page: store.Page, query: store.Query) -> None:
    offset = _offset()
    bar = st.container(horizontal=True, vertical_alignment="center")
    if page.total > _PAGE_SIZE:
        if bar.button("Previous page", disabled=not offset, key="runs_back"):
            _go_to(max(0, offset - _PAGE_SIZE))
            st.rerun()
        last = offset + _PAGE_SIZE >= page.total
        if bar.button("Next page", disabled=last, key="runs_next"):
            _go_to(offset + _PAGE_SIZE)
            st.rerun()
    says = f"{offset + 1} to {offset + len(page.rows)} of {page.total:,}"
    if page.total > _PAGE_SIZE:
        says += ". A click on a column's heading sorts these rows; *Sort by* above sorts all runs."
    bar.caption(says)
    columns = st.session_state["runs_columns"]
    with bar:
        widgets.download(
            f"CSV of all {page.total:,} runs" if page.total > _PAGE_SIZE else "CSV",
            lambda: _csv(query, columns),
            "runs.csv",
            "text/csv",
        )


def _csv(query: store.Query, columns: tuple[str, ...]) -> str:
    """Every run of the query, not the page alone."""
    frame = runs_table.make_frame(store.every(query), columns)
    return str(frame.drop(columns="curve").to_csv(index=False))


def _actions(picked: list[store.Run], query: store.Query) -> None:
    if not picked:
        bar = st.container(horizontal=True, vertical_alignment="center")
        bar.caption("Tick rows to open, compare, tag, archive or delete them.")
        bar.toggle(_EDIT, key="runs_edit")
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
            _untick()
            st.toast(f"{len(picked)} run(s) {verb.lower()}d.")
            st.rerun()
    verb = "Restore" if query.deleted else "Delete"
    if bar.button(verb, key="act_delete", help="Deleted runs can be shown and restored."):
        store.set_deleted([run.id for run in picked], not query.deleted)
        _untick()
        st.toast(f"{len(picked)} run(s) {verb.lower()}d.")
        st.rerun()


main()
