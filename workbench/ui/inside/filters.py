"""The filters of a CNN: what they look like, what excites them, how they changed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
import torch

from nets import Net, inside
from workbench.ui import charts, store, widgets
from workbench.ui.inside import artifacts, cache, convolution, inputs, pictures


def draw_filters(run: store.Run, epoch: int | None, model: Net) -> None:
    """A layer's filters, how far each has moved from its start, and which are nearly the same."""
    a, b, c = st.columns(3, vertical_alignment="bottom")
    with a:
        layer = inputs.pick_layer(model)
    weights = cache.filters(run.id, epoch, layer)
    views = inside.views(weights)
    help_text = "rgb: as colours; channels: a tile per channel; norm: strength over all channels."
    view = widgets.choose("View", views, f"view_{len(views)}_{views[0]}", b, help=help_text)
    with c:
        scale = inputs.pick_scale("filter_scale")
    n, channels, height, width = weights.shape
    st.caption(
        f"{n} filters of {channels} × {height} × {width}. "
        + ("Red is positive, blue negative." if view == "channels" else "")
    )
    tiles = inside.pictures(weights, view)
    if view == "channels":
        fit = max(1, 2048 // channels)
        if fit < n:
            st.caption(f"The first {fit} of {n} filters; the norm shows all of them.")
        shown = tiles[:fit].reshape(-1, height, width)
        columns = channels if channels > 1 else None
        board = inside.montage(
            shown,
            palette="diverging",
            scale=scale,
            tile=30 if channels > 8 else 64,
            gap=4,
            columns=columns,
            opaque=False,
        )
        if channels > 1:
            st.caption("A row per filter, a column per input channel.")
    else:
        board = inside.montage(tiles, scale=scale, tile=64, gap=4, opaque=False)
    pictures.show(board, f"Filters of {layer}", name=f"{run.name}_{layer}_filters_{epoch}")
    if scale == "common" and view != "rgb":
        palette: inside.Palette = "diverging" if view == "channels" else "sequential"
        pictures.show_scale(float(tiles.min()), float(tiles.max()), palette)
    _evolution(run, epoch, layer, weights)


def _evolution(run: store.Run, epoch: int | None, layer: str, weights: np.ndarray) -> None:
    epochs = artifacts.epochs(run.id)
    if not epochs or epochs[0] != 0:
        return
    left, right = st.columns(2)
    with left:
        st.markdown("**Distance from where it started**")
        moved = inside.distances(weights, cache.filters(run.id, 0, layer))
        order = np.argsort(moved)
        still = int((moved < 0.02).sum())
        st.caption(
            f"|w − w₀| / |w₀| per filter at epoch {epoch}. "
            + (f"{still} of {len(moved)} hardly moved." if still else "All of them moved.")
        )
        spec = charts.bars([f"filter {i}" for i in order], [float(moved[i]) for i in order])
        charts.draw(
            spec,
            key="distances",
            height=min(420, 60 + 20 * len(order)),
            alt="Distance of each filter from its start",
        )
    with right:
        st.markdown("**Near duplicates**")
        pairs = inside.near_duplicates(weights, 0.9)
        if not pairs:
            st.caption("No two filters of this layer have a cosine similarity of 0.9 or more.")
            return
        frame = pd.DataFrame(pairs[:50], columns=["filter", "and", "similarity"])
        st.dataframe(frame, hide_index=True, key="duplicates", alt="Near duplicate filters")


def draw_exciting_samples(run: store.Run, epoch: int | None, model: Net) -> None:
    """The kept samples that excite a filter most, each with the filter's receptive field."""
    a, b = st.columns(2)
    with a:
        layer = inputs.pick_layer(model)
    with b:
        channel = inputs.pick_channel(model, layer, "filter")
    kept = artifacts.samples(run.id)
    names = artifacts.labels(run.id)
    excitations = cache.exciting_samples(run.id, epoch, layer, channel, 16)
    st.caption(
        f"The {len(excitations)} of {min(len(kept), cache.EXCITING_SAMPLES)} kept samples that filter {channel} "
        f"answers most strongly; the frame is what it sees there."
    )
    columns = st.columns(8)
    for i, item in enumerate(excitations):
        features, _ = kept.one(item.index)
        top, left, bottom, right = inside.receptive_field(
            artifacts.net(run.id, epoch), layer, features, item.row, item.column
        )
        pixels = inside.picture(features[0].numpy())
        factor = max(1, round(144 / max(pixels.shape[:2])))
        pixels = convolution.draw_frame(
            pixels.repeat(factor, 0).repeat(factor, 1),
            (top * factor, left * factor, bottom * factor, right * factor),
        )
        with columns[i % 8]:
            label = (
                ""
                if kept.label is None
                else artifacts.class_name(names, int(kept.label[item.index]))
            )
            pictures.show(
                pixels,
                f"sample {item.index}",
                width="stretch",
                caption=f"{widgets.number(item.value)} · {label}",
            )


def draw_exciting_inputs(run: store.Run, epoch: int | None, model: Net) -> None:
    """Inputs made to excite the filters of a layer."""
    a, b, c = st.columns(3)
    with a:
        layer = inputs.pick_layer(model)
    module = dict(model.named_modules())[layer]
    assert isinstance(module, torch.nn.Conv2d)
    count = int(
        b.slider(
            "Filters",
            1,
            min(32, module.out_channels),
            min(8, module.out_channels),
            key="made_count",
        )
    )
    steps = int(c.select_slider("Steps", [32, 64, 96, 192], 64, key="made_steps"))
    st.caption("Inputs optimised, from noise, to raise the mean of one filter's map.")
    bar = st.progress(0.0, "Optimising")
    columns = st.columns(8)
    for i in range(count):
        result = cache.exciting_input(run.id, epoch, layer, i, steps)
        bar.progress((i + 1) / count, f"Filter {i + 1} of {count}")
        pixels = np.round(inside.unit_range(result.pixels[None])[0] * 255).astype(np.uint8)
        with columns[i % 8]:
            pictures.show(
                pictures.enlarge(inside.picture(pixels), 112),
                f"Made to excite filter {i}",
                caption=f"{i}: {widgets.number(result.start)} → {widgets.number(result.value)}",
                width="stretch",
            )
    bar.empty()
