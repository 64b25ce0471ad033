"""One sweep: which settings matter, which values are good, which trials were stopped and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from workbench.ui import charts, run_choice, store, sweeps, widgets
from workbench.ui.comparing.names import MOST_RUNS
from workbench.ui.sweeps import Sweep

_LIVE_S = 3
_TRIALS = 25
# Trials below which an importance is said to be mostly chance
_ENOUGH = 30


def main() -> None:
    widgets.title(
        "Sweep",
        "Which of the searched settings matter, and which of their values are good. Drag along an "
        "axis to see the trials that cross there.",
        "docs/browser#sweep",
    )
    run = run_choice.pick_run(kinds=("sweep",), label="Sweep")
    live = run.status == "RUNNING"

    @st.fragment(run_every=_LIVE_S if live else None)
    def body() -> None:
        fresh = store.run(run.id) or run
        if live and fresh.status != "RUNNING":
            st.rerun()
        with widgets.part():
            _draw(sweeps.read(fresh))

    body()


def _draw(sweep: Sweep) -> None:
    ranked = sweep.rank()
    _headline(sweep, ranked)
    if sweep.trials.empty:
        st.info("No trial has started yet.", icon=":material/hourglass_empty:")
        return
    left, right = st.columns([3, 2])
    with left, st.container(border=True):
        crossing = _parallel(sweep)
    with right, st.container(border=True):
        _importance(sweep)
    with st.container(border=True):
        _map(sweep)
    if sweep.objectives:
        with st.container(border=True):
            _front(sweep)
    if sweep.each:
        with st.container(border=True):
            _by_setting(sweep)
    left, right = st.columns(2)
    with left, st.container(border=True):
        _best_so_far(sweep)
    with right, st.container(border=True):
        _timeline(sweep)
    _scatter_and_table(sweep, crossing)


def _headline(sweep: Sweep, ranked: pd.DataFrame) -> None:
    status = sweep.trials["status"]
    stopped = int((status == "STOPPED").sum())
    shown = [
        ("Status", sweep.run.state),
        ("Trials", f"{len(sweep.trials)}"),
        ("Stopped early", f"{stopped}"),
        ("Failed", f"{int((status == 'FAILED').sum())}"),
        (
            f"Best {sweep.metric}",
            widgets.number(None if ranked.empty else float(ranked["value"].iloc[0])),
        ),
        ("Took", widgets.duration(sweep.run.seconds)),
    ]
    for column, (label, value) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(label, value)
    if not ranked.empty:
        best = ranked.iloc[0]
        st.markdown(f"Best: **{best['name']}** with {sweeps.settings_text(best, sweep.labels)}")
    st.page_link(
        "views/launch.py",
        label="Fork: change its search and start it",
        icon=":material/fork_right:",
        query_params={"run": sweep.run.id, "what": "sweep"},
    )


def _parallel(sweep: Sweep) -> list[int] | None:
    """Settings and result of each trial; indices into the ranked trials of the brushed ones."""
    st.markdown(
        "**Settings and result**",
        help="Drag along an axis, or along several, to choose the trials that cross there: the "
        "table below shows only them. Click an axis to clear it.",
    )
    valued = sweep.rank()
    if valued.empty or not sweep.axes:
        st.caption("No trial has a result yet.")
        return None
    axes: list[tuple[str, Any]] = [(sweep.labels[n], s) for n, s in sweep.axes.items()]
    axes.append((sweep.metric, "number"))
    low = 0.0
    if len(valued) >= 12 and st.toggle(
        "Leave out the worst quarter",
        key="no_worst",
        bind="query-params",
        help="A few failures flatten the axis for all others.",
    ):
        low = 0.25
    kept = valued.head(max(1, round(len(valued) * (1 - low))))
    rows = (
        kept[[*sweep.axes, "value"]]
        .astype(object)
        .where(kept[[*sweep.axes, "value"]].notna(), None)
    )
    spec = charts.parallel(rows.to_numpy().tolist(), axes, colour_by=len(axes) - 1)
    event = charts.draw(
        spec,
        key="parallel",
        height=360,
        on_select="rerun",
        alt="Parallel coordinates of all trials",
    )
    return _read_brush(event, len(kept))


def _importance(sweep: Sweep) -> None:
    st.markdown(
        "**Importance**",
        help="PED-ANOVA: how much better than the rest the top trials' values are.",
    )
    shares = sweeps.importance(sweep)
    if not shares:
        st.caption("At least 8 trials with a result are needed.")
        return
    spec = charts.bars([sweep.labels[n] for n in shares], list(shares.values()), percent=True)
    charts.draw(spec, key="importance", height=330, alt="Importance of each setting")
    if len(sweep.rank()) < _ENOUGH:
        st.caption(
            f"From {len(sweep.rank())} trials: mostly chance. Below {_ENOUGH} trials read it as a hint."
        )


def _map(sweep: Sweep) -> None:
    names = list(sweep.axes)
    st.markdown("**Map of the best result**")
    if len(names) < 2:
        st.caption("A map needs two swept settings.")
        return
    valued = sweep.rank()
    if valued.empty:
        st.caption("No trial has a result yet.")
        return
    numeric = [n for n in names if sweep.axes[n] != "category"] or names
    a, b, c = st.columns(3)
    x = a.selectbox(
        "Across", names, index=names.index(numeric[0]), key="map_x", bind="query-params"
    )
    others = [n for n in names if n != x]
    second = next((n for n in numeric if n != x), others[0])
    y = b.selectbox("Down", others, index=others.index(second), key="map_y", bind="query-params")
    rest = [n for n in others if n != y]
    by = c.selectbox(
        "One map for each", ["all together", *rest], index=1 if rest else 0, key="map_by"
    )
    if by in rest:
        valued = valued.dropna(subset=by)  # not searched in every trial
        index, labels = sweeps.cells(valued[by], sweep.axes[by], most=4)
        groups = [(labels[i], valued[index == i]) for i in range(len(labels))]
    else:
        groups = [("", valued)]
    low, high = float(valued["value"].min()), float(valued["value"].max())
    columns = st.columns(min(4, len(groups)))
    for i, (label, part) in enumerate(groups):
        table, xs, ys = sweeps.grid(part, x or names[0], y or names[1], sweep)
        texts = np.vectorize(lambda v: "" if np.isnan(v) else f"{v:.3g}")(table)
        spec = charts.heatmap(
            table,
            xs,
            ys,
            low=low,
            high=high,
            show=texts,
            bar=False,
            x_name=sweep.labels.get(x or "", ""),
            y_name=sweep.labels.get(y or "", ""),
        )
        with columns[i % len(columns)]:
            st.markdown(f":gray[{label}]" if label else "")
            charts.draw(spec, key=f"map_{i}", height=280, alt=f"Best result, {x} by {y} {label}")


def _front(sweep: Sweep) -> None:
    """Two objectives against each other, with the trials that no other one beats in all of them."""
    assert sweep.objectives is not None
    first, *others = sweep.objectives
    st.markdown(
        "**Pareto front**",
        help="On the front lie the trials that no other one beats: none is at least as good in every "
        "objective and better in one.",
    )
    x = st.selectbox("Against", others, key="front_x", bind="query-params") or others[0]
    on_front = set(sweeps.front(sweep))
    valued = sweep.trials.dropna(subset=["value", x]).sort_values(x)
    if valued.empty:
        st.caption("No trial has a result yet.")
        return
    points = valued[[x, "value"]].to_numpy().tolist()
    marks = [run_id in on_front for run_id in valued["run_id"]]
    spec = charts.front(points, marks, x_name=x, y_name=first)
    charts.draw(spec, key=f"front_{x}", height=320, alt=f"Pareto front of {first} and {x}")
    modes = ", ".join(f"{name} ({mode})" for name, mode in sweep.objectives.items())
    st.caption(f"{sum(marks)} of {len(valued)} trials are on the front of {modes}.")


def _by_setting(sweep: Sweep) -> None:
    """Mean and spread of each setting over its seeds or folds."""
    what = " and ".join(sweeps.short_names(sweep.each).values())
    st.markdown(f"**Settings by their mean** over each {what}")
    frame = sweeps.by_setting(sweep)
    st.dataframe(
        frame.rename(columns=sweep.labels),
        hide_index=True,
        key="by_setting",
        height=widgets.table_height(len(frame), 320),
        placeholder="",
        alt="Settings, the best mean first",
        column_config={
            "mean": st.column_config.NumberColumn(f"mean {sweep.metric}", format="%.4g"),
            "deviation": st.column_config.NumberColumn("± deviation", format="%.2g"),
        },
    )


def _best_so_far(sweep: Sweep) -> None:
    st.markdown("**Best so far**")
    points = sweeps.best_so_far(sweep)
    spec = charts.curves(
        {sweep.metric: points},
        x_name="seconds since the sweep began",
        level=sweeps.baseline(sweep),
    )
    spec["series"][0]["step"] = "end"
    charts.draw(spec, key="best_so_far", height=320, alt="Best result over time")


def _timeline(sweep: Sweep) -> None:
    st.markdown("**Timeline**")
    started = sweep.trials.dropna(subset="start").sort_values("start")
    shown = started.tail(_TRIALS)
    zero = float(started["start"].min()) if len(started) else 0.0
    spec = charts.timeline(
        list(shown["name"]),
        [float(s) - zero for s in shown["start"]],
        [float(s) for s in shown["seconds"].fillna(0)],
        list(shown["status"]),
    )
    if len(started) > _TRIALS:
        st.caption(f"The latest {_TRIALS} of {len(started)} trials.")
    charts.draw(
        spec, key="timeline", height=max(320, 70 + 20 * len(shown)), alt="When each trial ran"
    )


def _scatter_and_table(sweep: Sweep, crossing: list[int] | None) -> None:
    st.subheader("Trials", anchor=False)
    ranked = sweep.rank()
    unvalued = sweep.trials[~sweep.trials.index.isin(ranked.index)]
    frame = pd.concat([ranked, unvalued])
    area = _scatter(sweep, ranked)
    if area is not None or crossing is not None:
        every = range(len(ranked))
        both = sorted(
            set(every if area is None else area) & set(every if crossing is None else crossing)
        )
        frame = ranked.iloc[both]
        where, how = "lie in the selected area", "Double-click the chart"
        if area is None:
            where, how = "cross the selected ranges", "Click the axes"
        elif crossing is not None:
            where, how = "are in both selections", "Clear both"
        st.caption(f"{len(frame)} trials {where}. {how} to see all again.")
    alike, said = sweeps.mark_like_best(sweep)
    if said:
        st.caption(said)
    shown = pd.DataFrame()
    others = list(sweep.objectives or {})[1:]
    for name in ("trial", "status", "value", *others, *sweep.axes, "epochs", "seconds", "stopped"):
        shown[sweep.labels.get(name, name)] = frame[name].to_numpy()
    shown = shown.rename(columns={"value": sweep.metric})
    if alike:
        marks = ["~" if run_id in alike else "" for run_id in frame["run_id"]]
        shown.insert(list(shown.columns).index(sweep.metric) + 1, "like the best", marks)
    shown["status"] = [store.state_of(status) for status in shown["status"]]
    event = st.dataframe(
        shown,
        hide_index=True,
        key="trials",
        on_select="rerun",
        selection_mode="multi-row",
        height=widgets.table_height(len(shown), 520),
        placeholder="",
        alt="Trials, the best first",
        column_config={
            sweep.metric: st.column_config.NumberColumn(format="%.4g"),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
            "learning_rate": st.column_config.NumberColumn(format="%.3g"),
        },
    )
    _actions([str(frame["run_id"].iloc[i]) for i in event["selection"]["rows"] if i < len(frame)])
    widgets.csv(frame.drop(columns="run_id"), f"{sweep.run.name}_trials")


def _scatter(sweep: Sweep, ranked: pd.DataFrame) -> list[int] | None:
    """Result against one setting; indices into `ranked` of the brushed trials."""
    if ranked.empty or not sweep.axes:
        return None
    x = st.selectbox("Result against", list(sweep.axes), key="scatter_x", bind="query-params")
    assert x is not None
    scale = sweep.axes[x]
    points = [
        [None if pd.isna(a) else str(a) if scale == "category" else float(a), float(v)]
        for a, v in zip(ranked[x], ranked["value"], strict=True)
    ]
    x_axis = charts.axis(scale, [] if scale == "category" else list(ranked[x]))
    spec = charts.scatter(points, x_name=sweep.labels[x], x_axis=x_axis)
    spec |= {
        "brush": {"toolbox": ["rect", "clear"], "xAxisIndex": "all", "throttleType": "debounce"},
        "toolbox": {"right": 12, "top": 0},
    }
    st.caption("To select trials: press the square above the chart, then drag over them.")
    event = charts.draw(
        spec,
        key=f"scatter_{x}",
        height=260,
        on_select="rerun",
        alt=f"{sweep.metric} of every trial against {x}",
    )
    return _read_brush(event, len(ranked))


def _read_brush(event: Any, count: int) -> list[int] | None:
    """Selected rows below `count` (the browser sends them); None: nothing is selected."""
    groups = event["selection"].get("selected") or []
    return sorted({int(i) for g in groups for i in g["data_indices"] if int(i) < count}) or None


def _actions(ids: list[str]) -> None:
    if not ids:
        st.caption("Tick trials to open or compare them.")
        return
    bar = st.container(horizontal=True)
    if bar.button("Open", key="trial_open", type="primary", disabled=len(ids) != 1):
        st.switch_page("views/run.py", query_params={"run": ids[0]})
    if bar.button("Compare", key="trial_compare", disabled=len(ids) < 2):
        st.switch_page("views/compare.py", query_params={"runs": ",".join(ids[:MOST_RUNS])})


main()
