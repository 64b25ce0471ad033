"""Many small maps as one picture: a browser shows one PNG per layer, not hundreds of images."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Palette = Literal["sequential", "diverging", "warm", "grey"]
Scale = Literal["common", "each"]

# Sequential: nine samples of viridis (Smith & van der Walt 2015), even in lightness and readable
# to colour-blind people. Warm: inferno, of the same family. Diverging: ColorBrewer RdBu (Brewer 2003), white at zero.
_BETWEEN = 128
_ANCHORS = {
    "sequential": "440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725",
    "diverging": "053061 2166ac 4393c3 92c5de f7f7f7 f4a582 d6604d b2182b 67001f",
    "warm": "000004 420a68 932667 dd513a fca50a fcffa4",
    "grey": "000000 ffffff",
}


def _table(anchors: str) -> Pixels:
    points = np.array([[int(text[i : i + 2], 16) for i in (0, 2, 4)] for text in anchors.split()])
    at = np.linspace(0, 1, len(points))
    fine = np.linspace(0, 1, 256)
    rgb = np.stack([np.interp(fine, at, points[:, channel]) for channel in range(3)], axis=1)
    return rgb.round().astype(np.uint8)


_TABLES = {name: _table(anchors) for name, anchors in _ANCHORS.items()}


def unit_range(
    maps: NDArray[Any],
    scale: Scale = "common",
    symmetric: bool = False,
    bounds: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """`maps` (n, ...) brought to [0, 1]; `symmetric` keeps zero at 0.5.

    common: one range for all; each: every map its own. `bounds` fixes the range, so that the maps
    of several nets can share it. Values that are not finite become the lower end.
    """
    values = np.nan_to_num(np.asarray(maps, dtype=np.float32), posinf=0, neginf=0)
    axes = None if scale == "common" else tuple(range(1, values.ndim))
    low, high = (
        (values.min(axis=axes, keepdims=True), values.max(axis=axes, keepdims=True))
        if bounds is None
        else (np.float32(bounds[0]), np.float32(bounds[1]))
    )
    if symmetric:
        high = np.maximum(np.abs(low), np.abs(high))
        low = -high
    span = np.where(high > low, high - low, 1)
    floor = np.where(high > low, low, low - (0.5 if symmetric else 0))  # a constant map: mid or low
    return np.clip((values - floor) / span, 0, 1).astype(np.float32)


def colour(unit: NDArray[np.float32], palette: Palette) -> Pixels:
    """Values in [0, 1] (...,) as colours (..., 3) uint8."""
    return _TABLES[palette][np.round(unit * 255).astype(np.uint8)]


def montage(
    maps: NDArray[Any],
    *,
    palette: Palette = "sequential",
    scale: Scale = "common",
    columns: int | None = None,
    tile: int = 48,
    gap: int = 2,
    bounds: tuple[float, float] | None = None,
    opaque: bool = True,
) -> Pixels:
    """One picture (H, W, 3) uint8 of maps (n, h, w), or of colour tiles (n, h, w, 3).

    Each map is enlarged by a whole factor, nearest neighbour, to about `tile` pixels: what is
    shown is what was computed. Row by row from the top left, `gap` pixels of grey between; not
    `opaque`: (H, W, 4), and what is between lets the page through.
    """
    in_colour = maps.ndim == 4
    unit = unit_range(maps, scale, symmetric=palette == "diverging" or in_colour, bounds=bounds)
    tiles = np.round(unit * 255).astype(np.uint8) if in_colour else colour(unit, palette)
    factor = max(1, round(tile / max(tiles.shape[1:3])))
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    n, h, w, _ = tiles.shape
    across = min(n, columns or grid_columns(n))
    down = math.ceil(n / across)
    board = np.zeros((down * (h + gap) - gap, across * (w + gap) - gap, 4), np.uint8)
    board[..., :3] = _BETWEEN
    for i, tile_pixels in enumerate(tiles):
        top, left = (i // across) * (h + gap), (i % across) * (w + gap)
        board[top : top + h, left : left + w, :3] = tile_pixels
        board[top : top + h, left : left + w, 3] = 255
    return board[..., :3].copy() if opaque else board


def grid_columns(n: int) -> int:
    """Columns of a montage of `n` tiles: twice as wide as tall, in steps that divide evenly."""
    wide = max(1, math.ceil(math.sqrt(2 * n)))
    powers = [2**k for k in range(11) if 2**k >= wide]
    return min(n, powers[0]) if n & (n - 1) == 0 else min(n, wide)


def picture(sample: NDArray[Any]) -> Pixels:
    """A sample (c, h, w) as a picture (h, w, 3) uint8: uint8 as it is, others scaled to fit."""
    pixels = sample if sample.dtype == np.uint8 else np.round(unit_range(sample[None])[0] * 255)
    if sample.dtype == np.uint8 and sample.max(initial=0) <= 16:  # few grey levels, as in digits
        pixels = sample.astype(np.float32) * (255 / 16)
    channels = pixels[:3] if len(pixels) >= 3 else pixels[:1].repeat(3, axis=0)
    return np.asarray(channels, dtype=np.uint8).transpose(1, 2, 0)


def overlay(base: Pixels, heat: NDArray[Any], opacity: float = 0.55) -> Pixels:
    """`heat` (h, w) over a picture (H, W, 3): warm where it is high, the picture where it is low.

    The heat map is enlarged to the picture's size, nearest neighbour.
    """
    rows = np.arange(base.shape[0]) * heat.shape[0] // base.shape[0]
    cols = np.arange(base.shape[1]) * heat.shape[1] // base.shape[1]
    unit = unit_range(heat[None])[0][rows][:, cols]
    weight = (opacity * unit)[..., None]
    mixed = base * (1 - weight) + colour(unit, "warm") * weight
    result: Pixels = mixed.round().astype(np.uint8)
    return result
