"""Compare runs: curves, settings, the maps of one sample, results by class, different answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from nets import inside
from tracking.series import direction
from workbench.ui import charts, run_choice, store, widgets
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts, cache, inputs, pictures, uploads
from workbench.ui.inside.cache import NetInput
from workbench.ui.inside.images import data_url

_LIMIT = 10
_FILTERS = 64
_PARTS = ("Curves", "Settings", "Same picture", "By class", "Disagreements")


def main() -> None:
    widgets.title("Compare", "How runs differ: in their settings, and in what they predict.")
    runs = run_choice.pick_runs(_LIMIT)
    if len(runs) < 2:
        st.info("Choose two or more runs.", icon=":material/compare_arrows:")
        return
    chosen = widgets.choose("Show", _PARTS, "compare_part", label_visibility="collapsed")
    pages = {
        "Curves": _curves,
        "Settings": _settings,
        "Same picture": _same_picture,
        "By class": _by_class,
        "Disagreements": _disagreements,
    }
    with widgets.part():
        pages[chosen](runs)


def _names(runs: list[store.Run]) -> dict[str, str]:
    """Run id to a short name that is unique among them."""
    count = pd.Series([run.name for run in runs]).value_counts()
    return {
        run.id: run.name if count[run.name] == 1 else f"{run.name} {run.id[:5]}" for run in runs
    }


def _curves(runs: list[store.Run]) -> None:
    names = _names(runs)
    histories = {run.id: store.history(run.id) for run in runs}
    metrics = sorted(
        {m for h in histories.values() for m in h if not m.startswith(("health/", "time/"))}
    )
    if not metrics:
        raise Missing("None of these runs has recorded an epoch yet.")
    usual = [m for m in ("validation/accuracy", "validation/loss") if m in metrics]
    chosen = st.multiselect(
        "Metrics", metrics, default=usual or metrics[:1], key="compare_metrics", bind="query-params"
    )
    together = st.toggle(
        "Training beside it, dashed", value=True, key="with_train", bind="query-params"
    )
    columns = st.columns(2 if len(chosen) > 1 else 1)
    for i, metric in enumerate(chosen):
        lines, colours, dashed = {}, {}, []
        for index, run in enumerate(runs):
            for name in (metric, metric.replace("validation/", "train/") if together else metric):
                if name in histories[run.id]:
                    label = names[run.id] + (" (train)" if name != metric else "")
                    lines[label] = histories[run.id][name]
                    colours[label] = index
                    dashed += [label] if name != metric else []
        with columns[i % len(columns)], st.container(border=True):
            st.markdown(f"**{metric}**")
            spec = charts.curves(lines, colour_of=colours, dashed=dashed)
            height = 284 + spec["grid"]["top"]  # a legend of many runs takes nothing from the chart
            charts.draw(spec, key=f"compare_{metric}", height=height, alt=f"{metric} of every run")
    _metrics(runs, names)


def _metrics(runs: list[store.Run], names: dict[str, str]) -> None:
    st.subheader("Metrics", anchor=False)
    metrics = sorted(
        {
            m
            for run in runs
            for m in run.metrics
            if not m.startswith(("health/", "time/", "system/"))
        }
    )
    frame = pd.DataFrame(
        {names[r.id]: [r.metrics.get(m) for m in metrics] for r in runs}, index=metrics
    ).astype(float)
    marked = (
        frame.rename_axis("metric")
        .style.apply(_mark_best, axis=1)
        .format(lambda value: widgets.number(value))
    )
    st.dataframe(
        marked, key="compare_table", placeholder="–", height="content", alt="Metrics of every run"
    )
    st.caption("Green: the best of a row, where its name says whether more or less is better.")
    widgets.csv(frame.rename_axis("metric").reset_index(), "compare_metrics")


def _mark_best(row: pd.Series) -> list[str]:
    """Styles of a row's cells: the best value is green, unless all are equal."""
    name = str(row.name)
    # The test split has a best run as well, though no best epoch
    mode = direction(name.removeprefix("test/").removeprefix("best/"))
    if mode is None or row.dropna().nunique() < 2:
        return [""] * len(row)
    best = row.max() if mode == "max" else row.min()
    return ["background-color: rgba(44, 155, 116, 0.28)" if v == best else "" for v in row]


def _settings(runs: list[store.Run]) -> None:
    names = _names(runs)
    keys = sorted({k for run in runs for k in run.params})
    frame = pd.DataFrame(
        {names[r.id]: [r.params.get(k, "") for k in keys] for r in runs}, index=keys
    )
    differing = frame[frame.nunique(axis=1) > 1]
    only = st.toggle("Only what differs", value=True, key="only_differing", bind="query-params")
    shown = differing if only else frame
    st.caption(f"{len(differing)} of {len(frame)} settings differ.")
    if shown.empty:
        st.info(
            "These runs have the same settings. The seed counts as one.", icon=":material/equal:"
        )
        return
    marked = shown.rename_axis("setting").style.apply(
        lambda row: [
            "background-color: rgba(224, 129, 45, 0.22)" if row.nunique() > 1 else "" for _ in row
        ],
        axis=1,
    )
    st.dataframe(marked, key="compare_settings", height="content", alt="Settings of every run")
    widgets.csv(shown.rename_axis("setting").reset_index(), "compare_settings")


def _same_picture(runs: list[store.Run]) -> None:
    readable, net_input, labels = _pick_input(runs)
    share = st.slider(
        "Point in training",
        0,
        100,
        100,
        key="progress",
        format="%d%%",
        bind="query-params",
        help="The kept weights nearest to this share of each run's epochs.",
    )
    names = _names(runs)
    columns = st.columns(len(runs))
    for run, column in zip(runs, columns, strict=True):
        with column:
            st.markdown(f"**{names[run.id]}**")
            with widgets.part():
                epoch = _nearest(artifacts.epochs(run.id), int(share))
                _check_shape(run, net_input)
                st.caption("kept model" if epoch is None else f"epoch {epoch}")
                pictures.show_scores(cache.scores(run.id, epoch, net_input), labels, 3)
    _maps_side_by_side(readable, names, net_input, int(share))
    _filters_side_by_side(readable, names, int(share))


def _pick_input(runs: list[store.Run]) -> tuple[list[store.Run], NetInput, list[str] | None]:
    """The runs that kept a net, and a sample of the first of them or a picture of one's own."""
    readable = [run for run in runs if _has_net(run)]
    if not readable:
        raise Missing("None of these runs has kept a net and samples.")
    first = readable[0]
    labels = artifacts.labels(first.id)
    model = artifacts.net(first.id)
    with st.container(border=True):
        a, b = st.columns([3, 1])
        with a:
            own = model.spec.kind == "image" and (
                widgets.choose("Picture", ["from the data", "my own"], "source", address=False)
                == "my own"
            )
            if own:
                net_input = uploads.pick_upload(first, model)
            else:
                kept = artifacts.samples(first.id)
                index = inputs.pick_sample(kept, labels)
                net_input = NetInput(*kept.one(index), name=f"sample {index}")
        with b:
            if net_input.features.ndim == 4:
                pixels = inside.picture(net_input.features[0].numpy())
                pictures.show(pictures.enlarge(pixels, 144), net_input.name, caption=net_input.name)
    return readable, net_input, labels


def _has_net(run: store.Run) -> bool:
    try:
        return bool(artifacts.net(run.id)) and len(artifacts.samples(run.id)) > 0
    except Missing:
        return False


def _filters_side_by_side(runs: list[store.Run], names: dict[str, str], share: int) -> None:
    """The same convolution's filters of every run that has one of that name."""
    layers = {run.id: inside.convolutions(artifacts.net(run.id)) for run in runs}
    common = [n for n in layers[runs[0].id] if all(n in other for other in layers.values())]
    if not common:
        return
    st.subheader("Filters", anchor=False)
    layer = st.selectbox(
        "Convolution",
        common,
        format_func=inputs.shorten,
        key="compare_filters",
        bind="query-params",
    )
    for run, column in zip(runs, st.columns(len(runs)), strict=True):
        with column:
            epoch = _nearest(artifacts.epochs(run.id), share)
            weights = cache.filters(run.id, epoch, layer or common[0])
            board = inside.montage(
                weights.mean(axis=1)[:_FILTERS],
                palette="diverging",
                tile=40,
                gap=3,
                columns=8,
                opaque=False,
            )
            limit = float(np.abs(weights).max())
            pictures.show(
                board,
                f"Filters of {layer} of {names[run.id]}",
                caption=f"{names[run.id]}, ±{limit:.2g}",
            )
    st.caption("Each filter as the mean over its input channels; red above zero, blue below.")


def _nearest(epochs: list[int], share: int) -> int | None:
    if not epochs:
        return None
    return min(epochs, key=lambda e: abs(e - share / 100 * epochs[-1]))


def _check_shape(run: store.Run, net_input: NetInput) -> None:
    shape = tuple(artifacts.net(run.id).spec.shape)
    if shape != tuple(net_input.features.shape[1:]):
        raise Missing(
            f"This net takes samples of {shape}, this one is {tuple(net_input.features.shape[1:])}."
        )


def _maps_side_by_side(
    runs: list[store.Run], names: dict[str, str], net_input: NetInput, share: int
) -> None:
    maps_by_run = {}
    for run in runs:
        try:
            _check_shape(run, net_input)
            epoch = _nearest(artifacts.epochs(run.id), share)
            maps_by_run[run.id] = cache.maps(run.id, epoch, net_input)
        except Missing:
            continue
    layers = {i: [n for n, m in maps.items() if m.ndim == 3] for i, maps in maps_by_run.items()}
    common = [
        n for n in next(iter(layers.values()), []) if all(n in other for other in layers.values())
    ]
    if not common:
        st.caption("No layer with maps has the same name in all of them.")
        return
    st.subheader("Feature maps", anchor=False)
    a, b = st.columns([2, 1], vertical_alignment="bottom")
    first = next((i for i, n in enumerate(common) if n != "prepare"), 0)
    layer = a.selectbox(
        "Layer",
        common,
        index=first,
        format_func=inputs.shorten,
        key="compare_layer",
        bind="query-params",
    )
    shared = b.toggle("One colour scale for all", value=True, key="one_scale", bind="query-params")
    stacks = {i: maps[layer or common[0]] for i, maps in maps_by_run.items()}
    bounds = (
        (min(float(m.min()) for m in stacks.values()), max(float(m.max()) for m in stacks.values()))
        if shared
        else None
    )
    palette = pictures.choose_palette(*stacks.values())
    columns = st.columns(len(stacks))
    for (run_id, maps), column in zip(stacks.items(), columns, strict=True):
        with column:
            board = inside.montage(
                maps, palette=palette, tile=52, gap=3, columns=8, bounds=bounds, opaque=False
            )
            pictures.show(board, f"{layer} of {names[run_id]}", caption=names[run_id])
    if len(stacks) == 2:
        _difference(list(stacks.values()))


def _difference(stacks: list[np.ndarray]) -> None:
    if stacks[0].shape != stacks[1].shape:
        st.caption("No difference view: the layers have different sizes.")
        return
    st.markdown("**Second minus first**")
    board = inside.montage(
        stacks[1] - stacks[0], palette="diverging", tile=52, gap=3, columns=8, opaque=False
    )
    pictures.show(board, "Difference of the feature maps", name="difference")


def _by_class(runs: list[store.Run]) -> None:
    names = _names(runs)
    metric = widgets.choose("Metric", ["f1", "precision", "recall"], "class_metric")
    columns: dict[str, list[float]] = {}
    classes: list[str] = []
    for run in runs:
        try:
            results = artifacts.evaluation(run.id)
            table = results.values.get("per_class", {}).get(metric)
        except (Missing, AttributeError):
            table = None
        if table is None:
            st.caption(f"{names[run.id]} has no table by class.")
            continue
        columns[names[run.id]] = table
        classes = results.labels or classes or [str(i) for i in range(len(table))]
    same = {name: values for name, values in columns.items() if len(values) == len(classes)}
    if not same:
        raise Missing("None of these runs has an evaluation by class.")
    frame = pd.DataFrame(same, index=classes)
    spec = charts.heatmap(
        frame.to_numpy().T,
        classes,
        list(frame.columns),
        low=float(frame.to_numpy().min()),
        high=1,
        show=np.vectorize(lambda v: f"{v:.1%}")(frame.to_numpy().T) if frame.size <= 200 else None,
    )
    charts.draw(spec, key="by_class", height=90 + 40 * len(same), alt=f"{metric} by class and run")
    if len(same) > 1:
        frame["spread"] = frame.max(axis=1) - frame.min(axis=1)
    st.dataframe(
        frame.sort_values("spread", ascending=False) if "spread" in frame else frame,
        key="by_class_table",
        height="content",
        alt="By class",
    )
    widgets.csv(frame.rename_axis("class").reset_index(), "compare_classes")


def _disagreements(runs: list[store.Run]) -> None:
    names = _names(runs)
    tables = {}
    for run in runs:
        try:
            tables[run.id] = artifacts.predictions(run.id).set_index("row")
        except Missing as missing:
            st.caption(f"Left out, {names[run.id]}: {missing}")
    if len(tables) < 2:
        raise Missing("Fewer than two of these runs have predictions of classes.")
    base = next(iter(tables))
    first = tables[base]
    same = {
        i: t
        for i, t in tables.items()
        if len(t) == len(first) and (t["label"].to_numpy() == first["label"].to_numpy()).all()
    }
    left_out = [names[i] for i in tables if i not in same]
    if left_out:
        st.caption(f"Left out, evaluated on other rows: {', '.join(left_out)}.")
    if len(same) < 2:
        raise Missing("These runs were not evaluated on the same rows.")
    frame = pd.DataFrame({names[i]: t["prediction"] for i, t in same.items()})
    apart = frame[frame.nunique(axis=1) > 1]
    wrong = (frame.ne(first["label"], axis=0)).all(axis=1)
    st.caption(
        f"They disagree on {len(apart):,} of {len(frame):,} rows ({len(apart) / len(frame):.1%}); "
        f"all of them are wrong on {int(wrong.sum())}."
    )
    labels = artifacts.labels(base)
    shown = apart.map(lambda i: artifacts.class_name(labels, int(i)))
    shown.insert(
        0, "label", [artifacts.class_name(labels, int(first["label"][r])) for r in apart.index]
    )
    kept = artifacts.samples(base)
    place = {row: i for i, row in enumerate(kept.row)}
    if kept.features.ndim == 4:
        addresses = [
            data_url(pictures.enlarge(inside.picture(kept.features[place[r]].numpy()), 48))
            if r in place
            else None
            for r in shown.index
        ]
        shown.insert(0, "picture", addresses)
    st.dataframe(
        shown.head(200).reset_index(),
        hide_index=True,
        key="disagreements",
        row_height=52,
        column_config={"picture": st.column_config.ImageColumn(width=60)},
        alt="Rows they disagree on",
    )
    widgets.csv(shown.drop(columns="picture", errors="ignore").reset_index(), "disagreements")


main()
