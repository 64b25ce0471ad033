"""One sample through the nets of several runs: scores, feature maps, filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from nets import inside
from workbench.ui import store, widgets
from workbench.ui.comparing.names import FEW, short_names
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts, cache, inputs, pictures, uploads
from workbench.ui.inside.cache import NetInput

_FILTERS = 64


def draw_same_picture(runs: Sequence[store.Run]) -> None:
    """What the nets make of one sample: their scores, the maps of a layer, the filters of one."""
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
    names = short_names(runs)
    # A run without a net says so in a column of its own, as long as there is room for it
    shown = list(runs) if len(runs) <= FEW else readable
    for run, column in zip(shown, st.columns(len(shown)), strict=True):
        with column:
            st.markdown(f"**{names[run.id]}**")
            with widgets.part():
                epoch = _nearest(artifacts.epochs(run.id), int(share))
                _check_shape(run, net_input)
                st.caption("kept model" if epoch is None else f"epoch {epoch}")
                pictures.show_scores(cache.scores(run.id, epoch, net_input), labels, 3)
    _maps_side_by_side(readable, names, net_input, int(share))
    _filters_side_by_side(readable, names, int(share))


def _pick_input(runs: Sequence[store.Run]) -> tuple[list[store.Run], NetInput, list[str] | None]:
    """The first runs that kept a net, and a sample of one of them or a picture of one's own."""
    readable = _find_readable(runs)
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


def _find_readable(runs: Sequence[store.Run]) -> list[store.Run]:
    readable: list[store.Run] = []
    for run in runs:
        if len(readable) == FEW:
            st.caption(f"The first {FEW} runs that kept a net, of {len(runs)}.")
            break
        readable += [run] if _has_net(run) else []
    return readable


def _has_net(run: store.Run) -> bool:
    try:
        return bool(artifacts.net(run.id)) and len(artifacts.samples(run.id)) > 0
    except Missing:
        return False


def _filters_side_by_side(runs: Sequence[store.Run], names: Mapping[str, str], share: int) -> None:
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
            tiles = cache.filters(run.id, epoch, layer or common[0]).mean(axis=1)[:_FILTERS]
            board = inside.montage(
                tiles,
                palette="diverging",
                tile=40,
                gap=3,
                columns=8,
                opaque=False,
            )
            limit = float(np.abs(tiles).max())
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
    runs: Sequence[store.Run], names: Mapping[str, str], net_input: NetInput, share: int
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
            if not shared:
                pictures.show_scale(float(maps.min()), float(maps.max()), palette)
    if bounds is not None:
        pictures.show_scale(*bounds, palette, label="all of them")
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
    limit = float(np.abs(stacks[1] - stacks[0]).max())
    pictures.show_scale(-limit, limit, "diverging")
