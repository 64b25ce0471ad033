"""All runs: search, sort, group, pick, and from there to everything else."""

from __future__ import annotations

import streamlit as st

from workbench.ui import store, watch, widgets
from workbench.ui.comparing.names import MOST_RUNS
from workbench.ui.runs import actions, columns, controls, editor, groups, place, table
from workbench.ui.runs.controls import Layout


def main() -> None:
    widgets.title(
        "Runs",
        "Every training, sweep and trial in the tracking store: find, sort and group them. Tick rows "
        "to open, compare, tag or archive them.",
        "docs/browser#runs",
    )
    watch.redraw_on_change("runs")
    names = store.names()
    if not names.experiments and not store.page().rows:
        widgets.first_steps()
        return
    sweep = place.sweep()
    query, layout = controls.draw(names, sweep)
    if sweep:
        bar = st.container(horizontal=True, vertical_alignment="center")
        bar.button("All runs", key="leave_sweep", on_click=place.open_sweep, args=("",))
        bar.caption(f"Only the trials of sweep `{sweep[:32]}`.")
    try:
        if layout.group:
            _draw_groups(query, layout, names)
        else:
            _draw_runs(query, layout)
    except store.QueryError as error:
        st.warning(str(error), icon=":material/filter_alt_off:")
    controls.offer_names(names)


def _draw_groups(query: store.Query, layout: Layout, names: store.Names) -> None:
    shown = layout.columns or columns.find_columns(store.page(query).rows)
    metrics = [name for name in shown if name in names.metrics and name not in layout.hidden]
    asked = groups.draw(query, layout.group, metrics, names)
    if asked is not None:
        st.session_state["runs_asked"] = (groups.conditions(asked, names), query.text)
        st.rerun()


def _open_group() -> None:
    """Before the controls are drawn: the filter of a group whose runs were asked for."""
    condition, text = st.session_state.pop("runs_asked", ("", ""))
    if condition:
        st.session_state["q"] = f"({text}) and {condition}" if text.strip() else condition
        st.session_state["group"] = []
        place.go_to(0)


def _draw_runs(query: store.Query, layout: Layout) -> None:
    """One page of the table, with what can be done to the ticked rows above it."""
    if st.session_state.setdefault("runs_query", query) != query:
        st.session_state["runs_query"] = query
        place.go_to(0)
    page = store.page(query, place.offset(), place.PAGE_SIZE)
    if not page.rows and page.total:  # the address names a page that is no longer there
        place.go_to(0)
        page = store.page(query, 0, place.PAGE_SIZE)
    if not page.rows:
        st.info("No run matches.", icon=":material/search_off:")
        return
    shown = layout.columns or tuple(columns.find_columns(page.rows))
    _draw_page(query, page, layout, shown)
    _pager(page, query, shown)


def _draw_page(
    query: store.Query, page: store.Page, layout: Layout, shown: tuple[str, ...]
) -> None:
    # What is ticked belongs to this list of runs.
    key = f"runs_table{query.parent}_{place.generation()}"
    buttons = st.container(key="runs_actions")
    editing = st.session_state.get("runs_edit", False)
    rows = _rows_to_show(query, page, key, hold=editing)
    if editing:
        with buttons:
            actions.draw_edit_switch()
        if editor.edit_table(rows, f"runs_editor_{key}"):
            place.untick()
            st.rerun()
        return
    frame = table.make_frame(rows, shown)
    left_out = ["run id", *(name for name in layout.hidden if name in frame.columns)]
    event = st.dataframe(
        frame.drop(columns=left_out),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=key,
        height=widgets.table_height(len(frame), 760),
        placeholder="",
        column_config=table.configure_columns(frame, layout.pinned),
        alt="Runs",
    )
    picked = [rows[i] for i in event["selection"]["rows"] if i < len(rows)]
    with buttons:
        actions.draw(picked, query, shown)


def _rows_to_show(query: store.Query, page: store.Page, key: str, *, hold: bool) -> list[store.Run]:
    """The page's rows. While rows are ticked or edited no other run moves into their place."""
    where = (query, place.offset())
    ids = [run.id for run in page.rows]
    drawn = st.session_state.get("runs_drawn")
    ticked = st.session_state.get(key, {}).get("selection", {}).get("rows", [])
    if not (ticked or hold) or drawn is None or drawn[0] != where or drawn[1] == ids:
        st.session_state["runs_drawn"] = (where, ids)
        return page.rows
    fresh = {run.id: run for run in page.rows}
    rows = [fresh.get(i) or store.run(i) for i in drawn[1]]
    if new := len(set(ids) - set(drawn[1])):
        bar = st.container(horizontal=True, vertical_alignment="center")
        bar.markdown(f"**{new} new {'run' if new == 1 else 'runs'}**")
        if bar.button("Show", key="runs_show_new", help="Unticks the rows."):
            place.untick()
            st.rerun()
    return [run for run in rows if run is not None]


def _pager(page: store.Page, query: store.Query, shown: tuple[str, ...]) -> None:
    offset, size = place.offset(), place.PAGE_SIZE
    bar = st.container(horizontal=True, vertical_alignment="center")
    if page.total > size:
        if bar.button("Previous page", disabled=not offset, key="runs_back"):
            place.go_to(max(0, offset - size))
            st.rerun()
        last = offset + size >= page.total
        if bar.button("Next page", disabled=last, key="runs_next"):
            place.go_to(offset + size)
            st.rerun()
    says = f"{offset + 1} to {offset + len(page.rows)} of {page.total:,}"
    if page.total > size:
        says += ". A click on a column's heading sorts these rows; *Sort by* above sorts all runs."
    bar.caption(says)
    with bar:
        widgets.download(
            f"CSV of all {page.total:,} runs" if page.total > size else "CSV",
            lambda: _csv(query, shown),
            "runs.csv",
            "text/csv",
        )
    if page.total > 1:
        most = MOST_RUNS
        label = f"Compare all {page.total}" if page.total <= most else f"Compare the first {most}"
        if bar.button(label, key="runs_compare_all"):
            actions.compare([run.id for run in store.page(query, 0, most).rows])


def _csv(query: store.Query, shown: tuple[str, ...]) -> str:
    """Every run of the query, not the page alone."""
    frame = table.make_frame(store.every(query), shown)
    return str(frame.drop(columns="curve").to_csv(index=False))


_open_group()
main()
