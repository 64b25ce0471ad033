"""Pictures on a page: with a download, enlarged, or made of tiles to click."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from nets import inside
from workbench.ui import widgets
from workbench.ui.inside import artifacts
from workbench.ui.inside.images import data_url, png

_TILES_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const image = parentElement.querySelector("img");
  image.src = data.src;
  image.alt = data.alt;
  image.onclick = (event) => {
    const box = image.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * data.columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * data.rows);
    const index = row * data.columns + column;
    if (index < data.count) setTriggerValue("tile", index);
  };
}
"""
_TILES_CSS = """
img { max-width: 100%; cursor: pointer; image-rendering: pixelated; display: block;
  outline: 1px solid rgb(128 128 128 / 0.35); }
img:focus-visible { outline: 2px solid var(--st-primary-color); }
"""


def show(
    pixels: NDArray[np.uint8],
    alt: str,
    *,
    name: str | None = None,
    caption: str | None = None,
    width: Literal["content", "stretch"] = "content",
) -> None:
    """A picture with a text alternative and, given a file name, a download button."""
    _image(pixels, alt, caption, width)
    if name:
        widgets.download("PNG", lambda: png(pixels), f"{name}.png", "image/png")


def show_heading(text: str, pixels: NDArray[np.uint8], name: str) -> None:
    """The line of text above a picture, and its download beside the text."""
    bar = st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    )
    bar.markdown(text)
    with bar:
        widgets.download("PNG", lambda: png(pixels), f"{name}.png", "image/png")


def _image(
    pixels: NDArray[np.uint8], alt: str, caption: str | None, width: Literal["content", "stretch"]
) -> None:
    # The picture itself in the message, not the address of a file on the server: such a file is
    # gone when the slider has moved on before the browser asked for it.
    st.image(data_url(pixels), caption=caption, width=width, alt=alt)


def show_scores(scores: NDArray[np.float32], names: list[str] | None, count: int = 5) -> None:
    """The most probable classes of one sample, as bars."""
    shares = inside.probabilities(scores)
    order = np.argsort(-shares)[:count]
    frame = pd.DataFrame(
        {
            "class": [artifacts.class_name(names, int(i)) for i in order],
            "probability": shares[order].astype(float),
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        height="content",
        key="scores_" + "_".join(map(str, order[:3])),
        column_config={
            "probability": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0
            )
        },
        alt="Most probable classes",
    )


def enlarge(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """A picture repeated by a whole factor to about `size` pixels across."""
    factor = max(1, round(size / max(pixels.shape[:2])))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def choose_palette(*maps: NDArray[Any]) -> inside.Palette:
    """Colours that suit the values: two-sided where there are negative ones."""
    return "diverging" if min(float(m.min()) for m in maps) < 0 else "sequential"


def dim(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture in dark greys: colours of a heat map over it can be read, whatever it shows."""
    grey = pixels[..., :3].astype(np.float32).mean(axis=-1, keepdims=True)
    return np.broadcast_to(20 + grey * 0.4, (*pixels.shape[:2], 3)).astype(np.uint8)


def show_scale(low: float, high: float, palette: inside.Palette, *, label: str = "") -> None:
    """The colours of a picture with the numbers at their ends; a two-sided scale has 0 between."""
    if palette == "diverging":
        high = max(abs(low), abs(high))
        low = -high
    stops = inside.colour(np.linspace(0, 1, 9, dtype=np.float32), palette)
    gradient = ", ".join(f"rgb({r},{g},{b})" for r, g, b in stops.tolist())
    ends = [low, 0.0, high] if palette == "diverging" else [low, high]
    numbers = "".join(f"<span>{widgets.number(value)}</span>" for value in ends)
    name = f"<span>{html.escape(label)}</span>" if label else ""
    st.html(
        f"<div class='workbench-scale'>{name}<div><div style='background:linear-gradient(to right, "
        f"{gradient})'></div><div class='numbers'>{numbers}</div></div></div>"
    )


def show_tiles(
    pixels: NDArray[np.uint8],
    count: int,
    columns: int,
    *,
    key: str,
    alt: str,
    on_click: Callable[[int], None],
) -> None:
    """A montage of `count` tiles in `columns`; `on_click` gets the number of the one clicked."""
    component = st.components.v2.component(
        "workbench_tiles", html='<img role="button">', css=_TILES_CSS, js=_TILES_JS
    )

    def pass_on() -> None:
        tile = st.session_state[key].tile
        if isinstance(tile, int) and 0 <= tile < count:  # it comes from the browser
            on_click(tile)

    across = min(count, columns)
    component(
        data={
            "src": data_url(pixels),
            "alt": alt,
            "count": count,
            "columns": across,
            "rows": -(-count // across),
        },
        key=key,
        on_tile_change=pass_on,
    )
