"""Looks inside a net: filters, feature maps, health, as figures with their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nets import inside
from nets.errors import ConfigError
from workbench.notebook import charts
from workbench.notebook.figure import Figure

if TYPE_CHECKING:
    from torch import Tensor

    from nets import Net

_TILE = 40
"""Pixels of a filter or a map, about."""
_MOST = 64
"""Maps drawn of a layer; the frame has all."""


def filters(net: Net, layer: str | None = None) -> Figure:
    """The filters of a convolution, by default of the first one. Blue: negative, red: positive.

    The frame has a row for each filter: mean, deviation, norm of its weights.

    Raises:
        ConfigError: `layer` is no convolution, or the net has none.
    """
    layers = inside.convolutions(net)
    if layer is None and not layers:
        raise ConfigError(
            f"Filters are of 2-D convolutions, and a net of kind {net.config.kind} has none."
        )
    name = layer or layers[0]
    weights = inside.filters(net, name)
    view = inside.views(weights)[0]
    tiles = inside.pictures(weights, view)
    if view == "channels":
        tiles = tiles.reshape(-1, *tiles.shape[-2:])
    board = inside.montage(
        tiles[:_MOST], palette="sequential" if view == "norm" else "diverging", tile=_TILE
    )
    flat = weights.reshape(len(weights), -1)
    frame = pd.DataFrame(
        {"mean": flat.mean(1), "std": flat.std(1), "norm": np.linalg.norm(flat, axis=1)}
    ).rename_axis("filter")
    title = f"{len(weights)} filters of {name}{_cut(len(tiles))}"
    return Figure(title, frame, charts.boards({view: board}), _size([board]))


def feature_maps(net: Net, picture: Tensor, layers: Sequence[str] | None = None) -> Figure:
    """What a sample becomes, layer by layer, after the picture itself.

    Args:
        picture: a raw sample, (*spec.shape) or (1, *spec.shape).
        layers: names of layers; None: the convolutions.

    The frame has a row for each map: layer, map, mean, largest value, share of zeros.

    Raises:
        ConfigError: the net has no such layer, or none that gives maps.
    """
    sample = picture if picture.ndim > len(net.spec.shape) else picture[None]
    chosen = list(layers) if layers else inside.convolutions(net)
    found = inside.feature_maps(net, sample, chosen)
    maps = {name: values[0] for name, values in found.items() if values.ndim == 4}
    if not maps:
        raise ConfigError(
            f"Feature maps are of 2-D convolutions, and of {chosen or 'this net'} there are none. "
            f"The net has {', '.join(inside.layer_names(net))}."
        )
    boards = {}
    if net.spec.kind == "image":
        boards["the sample"] = _board_of(inside.picture(sample[0].cpu().numpy()))
    for name, values in maps.items():
        shape = f"{name}: {' x '.join(map(str, values.shape))}{_cut(len(values))}"
        boards[shape] = inside.montage(values[:_MOST], tile=_TILE)
    rows = [
        (name, place, each.mean(), each.max(), (each == 0).mean())
        for name, values in maps.items()
        for place, each in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=["layer", "map", "mean", "max", "zeros"])
    return Figure("Feature maps", frame, charts.boards(boards), _size(list(boards.values())))


def health(
    net: Net,
    features: Tensor,
    length: Tensor | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
) -> Figure:
    """Dead and saturated units of each activation layer; the verdict is in the title.

    The frame has a row for each layer, and in `attrs["findings"]` the verdict as texts.

    Args:
        features: raw samples, (n, *spec.shape).
        settings: of the experiment by path, to name a likely cause.
    """
    layers = inside.health(net, features, length)
    findings = inside.verdict(layers, settings=settings)
    frame = pd.DataFrame(
        {
            "layer": [item.layer for item in layers],
            "activation": [item.activation for item in layers],
            "units": [item.num_units for item in layers],
            "dead": [item.dead_share for item in layers],
            "saturated": [item.saturated_share for item in layers],
            "zeros": [item.zero_share for item in layers],
            "mean": [item.mean for item in layers],
            "std": [item.std for item in layers],
        }
    ).astype({"dead": float, "saturated": float})
    frame = frame.set_index("layer")
    frame.attrs["findings"] = [f"{item.layer} {item.text}".strip() for item in findings]
    title = f"Health on {len(features)} samples: {frame.attrs['findings'][0]}"
    columns = [name for name in ("dead", "saturated") if frame[name].notna().any()] or ["zeros"]
    draw = charts.bars(frame, columns, f"share of units {' or '.join(columns)}")
    return Figure(title, frame, draw, (7.0, 1.4 + 0.35 * len(frame)))


def _cut(count: int) -> str:
    return f", the first {_MOST} drawn" if count > _MOST else ""


def _board_of(picture: np.ndarray) -> np.ndarray:
    """A picture as a board that is as wide as those of 16 maps; nothing beside it."""
    factor = max(1, 80 // max(picture.shape[:2]))
    large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    board = np.zeros((large.shape[0], max(8 * _TILE, large.shape[1]), 4), np.uint8)
    board[:, : large.shape[1], :3], board[:, : large.shape[1], 3] = large, 255
    return board


def _size(boards: Sequence[np.ndarray]) -> tuple[float, float]:
    """Inches in which boards of the full width keep their pixels square."""
    height = sum(7.0 * board.shape[0] / board.shape[1] + 0.25 for board in boards)
    return 7.0, min(40.0, height + 0.3)
