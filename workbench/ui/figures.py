"""Charts that can be saved, and pictures made of tiles that can be clicked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from workbench.ui.charts import Spec
from workbench.ui.images import data_url

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
_TILES_CSS = "img { max-width: 100%; cursor: zoom-in; image-rendering: pixelated; display: block; }"


def chart(
    spec: Spec,
    *,
    key: str,
    alt: str,
    height: int,
    on_select: Literal["ignore", "rerun"] = "ignore",
) -> Any:
    """Draw a chart as SVG, which is also what its download button saves.

    Returns:
        What is selected in it, where `on_select` is "rerun".
    """
    return st.echarts_chart(
        spec, key=key, height=height, alt=alt, on_select=on_select, renderer="svg"
    )


def tiles(
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

    def clicked() -> None:
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
        on_tile_change=clicked,
    )
