"""What each step or patch looks at: the weights of a net's attention layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from nets import inside
from workbench.ui import charts, store, widgets
from workbench.ui.inside import cache, inputs, pictures
from workbench.ui.inside.cache import Array, NetInput

_MEAN = "mean of all"
_MOST_CELLS = 64 * 64
"""Of more cells a chart is slow: a picture shows them."""


def draw(
    run: store.Run, epoch: int | None, net_input: NetInput, steps: Sequence[str] | None = None
) -> None:
    """The weights of one layer and head: a row for each one that looks, a column for what it sees.

    Args:
        steps: names of the steps of a sequence; None: numbers.
    """
    maps = cache.attention(run.id, epoch, net_input)
    a, b = st.columns(2)
    layer = a.selectbox(
        "Attention layer",
        list(maps),
        key="attention",
        bind="query-params",
        format_func=inputs.shorten,
    )
    heads = maps[layer if layer in maps else next(iter(maps))][0]
    options = [_MEAN, *(str(i) for i in range(len(heads)))]
    with b:
        head = widgets.choose("Head", options, "head", address=False)
    weights = heads.mean(axis=0) if head == _MEAN else heads[int(head)]
    _draw_weights(weights, steps)
    if net_input.features.ndim == 4:
        _draw_over_picture(weights, net_input)
    spread = float(-(weights * np.log(np.maximum(weights, 1e-12))).sum(axis=1).mean())
    st.caption(
        "Each row adds up to 1. On average a row looks at "
        f"{math.exp(spread):.1f} of {weights.shape[1]} places (the exponential of its entropy)."
    )
    widgets.csv(pd.DataFrame(weights), f"{run.name}_attention")


def _draw_weights(weights: Array, steps: Sequence[str] | None) -> None:
    rows, columns = weights.shape
    high = float(weights.max())
    if weights.size > _MOST_CELLS:
        board = inside.montage(weights[None], palette="sequential", tile=640, bounds=(0, high))
        pictures.show(board, "Attention of one head")
        pictures.show_scale(0.0, high, "sequential")
        return
    seen = list(steps) if steps and len(steps) == columns else [str(i) for i in range(columns)]
    looks = list(steps) if steps and len(steps) == rows else [str(i) for i in range(rows)]
    spec = charts.heatmap(weights, seen, looks, low=0.0, x_name="sees", y_name="looks")
    charts.draw(
        spec, key="attention_map", height=min(620, 120 + 22 * rows), alt="Attention of one head"
    )


def _draw_over_picture(weights: Array, net_input: NetInput) -> None:
    """What one patch sees, over the picture; nothing where the places are no square of patches.

    Patches are taken row by row, and one place more is a class token before them.
    """
    places = weights.shape[1]
    extra = next((n for n in (0, 1) if math.isqrt(places - n) ** 2 == places - n), None)
    if extra is None or places - extra < 4:
        return
    side = math.isqrt(places - extra)
    row = int(st.slider("Patch that looks", 0, len(weights) - 1, 0, key="looks"))
    base = pictures.enlarge(inside.picture(net_input.features[0].numpy()), 256)
    heat = weights[row, extra:].reshape(side, side)
    first, second = st.columns(2)
    with first:
        pictures.show(base, net_input.name, caption="input")
    with second:
        board = inside.overlay(pictures.dim(base), heat, opacity=0.85)
        what = "the class token" if extra and row == 0 else f"patch {row - extra}"
        pictures.show(board, f"What {what} sees", caption=f"what {what} sees")
        pictures.show_scale(float(heat.min()), float(heat.max()), "warm")
