"""How a layer forms: its filters or its maps of one picture over the epochs, and two epochs compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from nets import Net, inside
from workbench.ui import store, widgets
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts, cache, inputs, pictures, player
from workbench.ui.inside.cache import NetInput

Array = NDArray[np.float32]

_MOST_FRAMES = 60
_MOST_TILES = 64
_WHAT = ("filters", "feature maps")


def draw_filters_forming(run: store.Run, model: Net) -> None:
    """A convolution's filters from epoch to epoch."""
    kept = _epochs(run)
    layer = inputs.pick_layer(model)
    frames = {epoch: _tiles(cache.filters(run.id, epoch, layer)) for epoch in kept}
    _draw(run, frames, f"Filters of {layer}", layer)


def draw_maps_forming(run: store.Run, net_input: NetInput) -> None:
    """A layer's maps of one picture from epoch to epoch."""
    kept = _epochs(run)
    maps = cache.maps(run.id, kept[-1], net_input)
    layers = [name for name, values in maps.items() if values.ndim == 3 and name != "prepare"]
    if not layers:
        raise Missing("No layer of this net has maps.")
    layer = st.selectbox(
        "Layer", layers, format_func=inputs.shorten, key="forming_layer", bind="query-params"
    )
    assert layer is not None
    with st.spinner("Feature maps of each epoch"):
        frames = cache.layer_maps(run.id, tuple(kept), layer, net_input)
    _draw(
        run,
        {epoch: values[:_MOST_TILES] for epoch, values in frames.items()},
        f"Feature maps of {inputs.shorten(layer)}",
        layer,
    )


def pick_what() -> str:
    """Filters, or feature maps."""
    return widgets.choose("What forms", _WHAT, "forming")


def thin(epochs: Sequence[int], most: int = _MOST_FRAMES) -> list[int]:
    """At most `most` epochs, evenly, the first and the last among them."""
    if len(epochs) <= most:
        return list(epochs)
    places = np.linspace(0, len(epochs) - 1, most).round().astype(int)
    return [epochs[i] for i in dict.fromkeys(places.tolist())]


def _epochs(run: store.Run) -> list[int]:
    kept = artifacts.epochs(run.id)
    if len(kept) < 2:
        inputs.link_to_train_alone(run.id)
        raise Missing(
            "This run kept one set of weights, as the trials of a sweep do. A training keeps them "
            "after each epoch, and shows here how its filters and maps form."
        )
    shown = thin(kept)
    if len(shown) < len(kept):
        st.caption(f"{len(shown)} of {len(kept)} epochs, evenly spaced.")
    return shown


def _tiles(weights: Array) -> Array:
    """What is drawn of the first filters: colours, signed values, or the strength over the channels."""
    view = "rgb" if weights.shape[1] == 3 else "channels" if weights.shape[1] == 1 else "norm"
    tiles = inside.pictures(weights[:_MOST_TILES], view)  # type: ignore[arg-type]
    return tiles[:, 0] if view == "channels" else tiles


def _draw(run: store.Run, frames: dict[int, Array], what: str, layer: str) -> None:
    low = min(float(tiles.min()) for tiles in frames.values())
    high = max(float(tiles.max()) for tiles in frames.values())
    in_colour = next(iter(frames.values())).ndim == 4
    palette: inside.Palette = "diverging" if low < 0 else "sequential"
    boards = {epoch: _board(tiles, palette, (low, high)) for epoch, tiles in frames.items()}
    player.show_frames(
        list(boards.values()),
        [f"epoch {epoch}" for epoch in boards],
        what="Epoch",
        alt=f"{what}, one picture per epoch",
        key=f"player_{run.id}_{layer}",
    )
    if not in_colour:
        pictures.show_scale(low, high, palette)
    st.caption(
        f"{what}; one scale for all epochs. Epoch 0 is before training."
        + (" Colours: the filter over red, green and blue." if in_colour else "")
    )
    _compare_two(frames, boards, what, run)


def _board(
    tiles: Array, palette: inside.Palette, bounds: tuple[float, float] | None
) -> NDArray[np.uint8]:
    return inside.montage(
        tiles, palette=palette, bounds=bounds, tile=48, gap=3, columns=8, opaque=False
    )


def _compare_two(
    frames: dict[int, Array], boards: dict[int, NDArray[np.uint8]], what: str, run: store.Run
) -> None:
    """Two epochs side by side, and the later one minus the earlier one."""
    epochs = list(frames)
    st.subheader("Two epochs side by side", anchor=False)
    first, second = st.select_slider(
        "Epochs to compare",
        epochs,
        value=(epochs[0], epochs[-1]),
        key="forming_pair",
        bind="query-params",
    )
    change = frames[second] - frames[first]
    moved = float(np.linalg.norm(change) / max(float(np.linalg.norm(frames[first])), 1e-12))
    difference = _board(change, "diverging", None)
    for column, (place, name, board) in zip(
        st.columns(3),
        (
            ("from", f"epoch {first}", boards[first]),
            ("to", f"epoch {second}", boards[second]),
            ("change", f"epoch {second} minus epoch {first}", difference),
        ),
        strict=True,
    ):
        with column:
            pictures.show(
                board,
                f"{what}, {name}",
                caption=name,
                name=f"{run.name}_{place}_{name.replace(' ', '_')}",
                width="stretch",
            )
    limit = float(np.abs(change).max())
    pictures.show_scale(-limit, limit, "diverging", label="difference")
    st.caption(f"They differ by {moved:.0%} of the size of epoch {first}'s values.")
