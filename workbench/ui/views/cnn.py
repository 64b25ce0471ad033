"""Inside a CNN: filters, feature maps, what excites a filter, attribution, the convolution itself."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import streamlit as st

from nets import Net, inside
from workbench.ui import page_parts, run_choice, store, widgets
from workbench.ui.errors import Missing
from workbench.ui.inside import (
    artifacts,
    attention,
    cache,
    convolution,
    filters,
    forming,
    inputs,
    pictures,
    uploads,
)
from workbench.ui.inside.cache import NetInput
from workbench.ui.inside.pages import SUIT_PICTURES

_METHODS = {
    "Grad-CAM": "grad_cam",
    "Integrated gradients": "integrated_gradients",
    "Occlusion": "occlusion",
}

_ATTENTION = "Attention"


def main() -> None:
    widgets.title(
        "Inside a CNN",
        "What its filters look for, what each layer makes of a picture, and which pixels decide. The "
        "slider moves through the epochs of the training.",
        "docs/cnn-in-the-ui",
    )
    run = run_choice.pick_run(suits=SUIT_PICTURES, what="net with convolutions")
    with widgets.part():
        model = artifacts.net(run.id)
        convolutions, attention_layers = (
            name in inside.contents(model) for name in inside.OF_PICTURES
        )
        parts = [*page_parts.CNN] if convolutions else []
        parts += [_ATTENTION] if attention_layers else []
        if not parts:
            run_choice.link_to(run, "views/rnn.py", "Inside an RNN")
            raise Missing("This net has no convolutions.")
        # A row of its own: the parts need the whole width of a small window
        chosen = widgets.choose("Show", parts, "show")
        if chosen == "See it form":
            _see_it_form(run, model)
            return
        epoch = inputs.pick_epoch(run.id)
        pages = {
            "Feature maps": _feature_maps,
            "Filters": filters.draw_filters,
            "What excites it": filters.draw_exciting_samples,
            "Attribution": _attribution,
            "Step by step": _step_by_step,
            "Made to excite": filters.draw_exciting_inputs,
            _ATTENTION: _attention,
        }
        pages[chosen](run, epoch, model)


def _pick_input(run: store.Run, model: Net) -> NetInput:
    """Choose a picture, a kept sample or an upload; show it with what the net predicts for it."""
    names = artifacts.labels(run.id)
    with st.container(border=True):
        a, b, c = st.columns([3, 1, 2], vertical_alignment="top")
        with a:
            source = widgets.choose("Picture", ["from the data", "my own"], "source", address=False)
            net_input = (
                _sample(run, names)
                if source == "from the data"
                else uploads.pick_upload(run, model)
            )
        with b:
            pixels = inside.picture(net_input.features[0].numpy())
            pictures.show(pictures.enlarge(pixels, 144), net_input.name, caption=net_input.name)
        with c:
            epoch = st.session_state.get("epoch")
            epochs = artifacts.epochs(run.id)
            at = int(epoch) if epoch in epochs else None
            pictures.show_scores(cache.scores(run.id, at, net_input), names, count=4)
    return net_input


def _sample(run: store.Run, names: list[str] | None) -> NetInput:
    kept = artifacts.samples(run.id)
    index = inputs.pick_sample(kept, names)
    return NetInput(*kept.one(index), name=f"sample {index}")


def _feature_maps(run: store.Run, epoch: int | None, model: Net) -> None:
    net_input = _pick_input(run, model)
    layer_maps = cache.maps(run.id, epoch, net_input)
    a, b = st.columns(2)
    with a:
        scale = inputs.pick_scale("scale")
    layers = [name for name, maps in layer_maps.items() if maps.ndim in (1, 3)]
    enlarge = b.selectbox(
        "Enlarge a layer",
        ["none", *(n for n in layers if layer_maps[n].ndim == 3)],
        format_func=inputs.shorten,
        key="enlarge",
        bind="query-params",
        help="Or click one of its maps below.",
    )
    if enlarge != "none":
        _draw_enlarged(run, net_input, enlarge, layer_maps[enlarge])
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    for i, name in enumerate(layers):
        maps = layer_maps[name]
        if i % 2 == 0:
            columns = st.columns(2, gap="large")
        with columns[i % 2]:
            board = _board(maps, scale)
            pictures.show_heading(
                f"**{inputs.shorten(name)}** &nbsp; {kinds.get(name.split('#')[0], '')} &nbsp; "
                f":gray[{' × '.join(map(str, maps.shape))}, {maps.min():.3g} to {maps.max():.3g}]",
                board,
                f"{run.name}_{name}_maps",
            )
            if maps.ndim == 1:
                pictures.show(board, f"Values of {name}")
            if scale == "common":
                pictures.show_scale(
                    float(maps.min()), float(maps.max()), pictures.choose_palette(maps)
                )
            if maps.ndim == 1:
                continue
            pictures.show_tiles(
                board,
                len(maps),
                _columns(maps),
                key=f"tiles_{name}",
                alt=f"Feature maps of {name}; click one to enlarge it",
                on_click=functools.partial(_enlarge, name),
            )


def _see_it_form(run: store.Run, model: Net) -> None:
    """All epochs at once: the page has no slider for one of them here."""
    if forming.pick_what() == "filters":
        forming.draw_filters_forming(run, model)
    else:
        forming.draw_maps_forming(run, _pick_input(run, model))


def _enlarge(layer: str, channel: int) -> None:
    st.session_state["enlarge"], st.session_state["channel"] = layer, channel
    # The slider is only now coming up, and a new widget does not write its value to the address.
    st.query_params["channel"] = str(channel)


def _board(maps: np.ndarray, scale: inside.Scale) -> np.ndarray:
    """One picture of a layer's maps; the values of a dense layer as a row of squares."""
    palette = pictures.choose_palette(maps)
    if maps.ndim == 1:
        values = maps[:, None, None]
        return inside.montage(
            values, palette=palette, tile=14, gap=1, columns=_columns(maps), opaque=False
        )
    return inside.montage(
        maps,
        palette=palette,
        scale=scale,
        tile=64 if len(maps) <= 32 else 40,
        gap=4,
        columns=_columns(maps),
        opaque=False,
    )


def _columns(maps: np.ndarray) -> int:
    if maps.ndim == 1:
        return min(32, len(maps))
    return 8 if len(maps) <= 32 else 16


def _draw_enlarged(run: store.Run, net_input: NetInput, layer: str, maps: np.ndarray) -> None:
    with st.container(border=True):
        channel = int(
            st.slider("Map", 0, len(maps) - 1, 0, key="channel", bind="query-params")
            if len(maps) > 1
            else 0
        )
        base = pictures.enlarge(inside.picture(net_input.features[0].numpy()), 288)
        a, b, c = st.columns(3)
        with a:
            pictures.show(base, net_input.name, caption="input")
        with b:
            one = inside.montage(
                maps[channel : channel + 1], tile=288, palette=pictures.choose_palette(maps)
            )
            pictures.show(
                one,
                f"Map {channel} of {layer}",
                caption=f"map {channel} of {inputs.shorten(layer)}",
            )
            one_map = maps[channel]
            pictures.show_scale(
                float(one_map.min()), float(one_map.max()), pictures.choose_palette(maps)
            )
        with c:
            heat = inside.overlay(pictures.dim(base), np.maximum(maps[channel], 0), opacity=0.85)
            pictures.show(
                heat,
                f"Map {channel} over the input",
                caption="over the input",
                name=f"{run.name}_{layer}_{channel}",
            )


def _attribution(run: store.Run, epoch: int | None, model: Net) -> None:
    net_input = _pick_input(run, model)
    names = artifacts.labels(run.id)
    likely = int(cache.scores(run.id, epoch, net_input).argmax())
    a, b = st.columns(2)
    classes = list(range(model.num_outputs))
    target = a.selectbox(
        "Explain the score of",
        classes,
        index=likely,
        key=f"target_{net_input.digest}",
        format_func=lambda i: artifacts.class_name(names, i),
    )
    names_of = inside.convolutions(model)
    layer = b.selectbox(
        "Grad-CAM at",
        names_of,
        index=len(names_of) - 1,
        format_func=inputs.shorten,
        key="cam_layer",
        bind="query-params",
    )
    base = pictures.enlarge(inside.picture(net_input.features[0].numpy()), 256)
    columns = st.columns(4)
    with columns[0]:
        pictures.show(base, net_input.name, caption="input", width="stretch")
    for column, (label, method) in zip(columns[1:], _METHODS.items(), strict=True):
        with column, st.spinner(label):
            heat = cache.attribution(
                run.id, epoch, net_input, int(target or 0), method, layer or ""
            )
            if method == "grad_cam":
                board = inside.overlay(pictures.dim(base), heat, opacity=0.85)
                palette: inside.Palette = "warm"
            else:
                board = inside.montage(heat[None], palette="diverging", tile=256)
                palette = "diverging"
            pictures.show(board, f"{label} of {net_input.name}", caption=label, width="stretch")
            pictures.show_scale(float(heat.min()), float(heat.max()), palette)
            widgets.download(
                "CSV",
                functools.partial(pd.DataFrame(heat).to_csv, index=False),
                f"{run.name}_{method}.csv",
                "text/csv",
            )
    st.caption(
        "Grad-CAM: where this layer's maps speak for the class. Integrated gradients: red pixels "
        "raise the score, blue lower it. Occlusion: red where blanking a patch lowers the score."
    )


def _attention(run: store.Run, epoch: int | None, model: Net) -> None:
    """What each patch looks at, in the attention layers."""
    attention.draw(run, epoch, _pick_input(run, model))


def _step_by_step(run: store.Run, epoch: int | None, model: Net) -> None:
    """How one value of a feature map comes about: window x filter, added up."""
    net_input = _pick_input(run, model)
    a, b = st.columns(2)
    with a:
        layer = inputs.pick_layer(model)
    with b:
        channel = inputs.pick_channel(model, layer, "filter")
    net = artifacts.net(run.id, epoch)
    shown = inside.response(net, layer, net_input.features, channel, 0, 0)
    height, width = shown.feature_map.shape
    left, right = st.columns(2)
    row = int(left.slider("Row", 0, height - 1, height // 2, key="row", bind="query-params"))
    column = int(
        right.slider("Column", 0, width - 1, width // 2, key="column", bind="query-params")
    )
    shown = inside.response(net, layer, net_input.features, channel, row, column)
    several = len(shown.window)
    source = 0
    if several > 1:
        strength = np.abs(shown.window * shown.weights).sum(axis=(1, 2))
        source = int(
            st.slider("Input channel", 0, several - 1, int(strength.argmax()), key=f"in_{layer}")
        )
    window, weights = shown.window[source], shown.weights[source]
    product = window * weights
    rest = shown.value - shown.bias - float(product.sum())
    with st.container(key="numbers"):
        columns = st.columns([4, 3, 3, 3, 4])
    with columns[0]:
        st.markdown("**What it reads**")
        convolution.draw_input(shown, source)
    for place, heading, values in (
        (columns[1], "window", window),
        (columns[2], "× filter", weights),
        (columns[3], "= products", product),
    ):
        with place:
            st.markdown(f"**{heading}**")
            convolution.draw_numbers(values, heading)
    with columns[4]:
        st.markdown("**its feature map**")
        convolution.draw_map(shown, row, column, _follow)
    others = f" + {rest:.3f} (the other {several - 1} input channels)" if several > 1 else ""
    st.markdown(
        f"Sum of the products **{float(product.sum()):.3f}**{others} + bias **{shown.bias:.3f}** "
        f"= **{shown.value:.3f}** at row {row}, column {column} of map {channel}."
    )


def _follow(row: int, column: int) -> None:
    st.session_state["row"], st.session_state["column"] = row, column


main()
