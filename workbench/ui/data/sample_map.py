"""A map of samples by their embeddings, and the training samples that are most alike a picked one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from workbench.bridge import Prepared
from workbench.training.samples import Samples
from workbench.ui import charts, store, widgets
from workbench.ui.data import looking

_DOTS = 2_000
_CLASSES = len(charts.COLOURS)
_NEAREST = 8


def draw(run: store.Run, prepared: Prepared, seen: Samples, table: pd.DataFrame) -> None:
    """The map, the picked sample (the first of the table until one is clicked), and its neighbours.

    Args:
        table: the samples in the order of the list; the index is their place.
    """
    colours = ["class", "right or wrong"] if seen.labels is not None else ["loss"]
    by = widgets.choose("Colour", colours, "map_colour")
    shown = np.sort(table.index.to_numpy()[:_DOTS])
    if len(table) > _DOTS:
        shown = np.sort(np.linspace(0, len(table) - 1, _DOTS).round().astype(int))
    groups = _group(table.loc[shown], by)
    event = charts.draw(
        make_spec(seen.map, groups),
        key="sample_map",
        height=460,
        on_select="rerun",
        alt=f"Samples by the two largest axes of their embeddings, coloured by {by}",
    )
    if len(table) > _DOTS:
        st.caption(f"{_DOTS:,} of {len(table):,} samples, evenly spread.")
    clicked = order_clicks(st.session_state.get("map_clicks", []), read_selected(event, groups))
    st.session_state["map_clicks"] = clicked
    place = clicked[-1] if clicked else None
    st.caption("Click a dot to see its sample." if place is None else "The sample you clicked.")
    place = int(table.index[0]) if place is None else place
    _neighbours(run, prepared, seen, place)


def _group(frame: pd.DataFrame, by: str) -> dict[str, list[int]]:
    """Places by what they are coloured by."""
    if by == "class":
        names = frame["label"]
        often = names.value_counts().index[:_CLASSES]
        names = names.where(names.isin(often), "other classes")
    elif by == "right or wrong":
        names = pd.Series(
            np.where(frame["label"] == frame["prediction"], "right", "wrong"), index=frame.index
        )
    else:
        high = frame["loss"].quantile(0.9)
        names = pd.Series(
            np.where(frame["loss"] > high, "largest tenth of losses", "other losses"),
            index=frame.index,
        )
    return {str(name): [int(i) for i in part.index] for name, part in names.groupby(names)}


def make_spec(where: np.ndarray, groups: dict[str, list[int]]) -> charts.Spec:
    """Dots of a colour for each group.

    Args:
        where: (n, 2).
    """
    spec = charts.scatter([], x_name="first axis", y_name="second axis")
    series = []
    for i, (name, places) in enumerate(groups.items()):
        points = [[float(where[p, 0]), float(where[p, 1]), p] for p in places]
        series.append(
            {
                "type": "scatter",
                "name": name,
                "data": points,
                "symbolSize": 6,
                "selectedMode": "single",
                "color": charts.COLOURS[i % _CLASSES] if name != "other classes" else charts.GREY,
            }
        )
    # The name of the axis stands at its end: on the left, below the legend
    y_axis = spec["yAxis"] | {"axisLine": {"onZero": False}}
    legend = {"type": "scroll", "top": 0, "left": 0}
    return spec | {
        "series": series,
        "grid": spec["grid"] | {"top": 56},
        "yAxis": y_axis,
        "legend": legend,
    }


def read_selected(event: Any, groups: dict[str, list[int]]) -> list[int]:
    """The places of the selected dots, one of a group; the browser sends series and numbers there."""
    places = list(groups.values())
    try:
        return [
            places[int(chosen["series_index"])][int(number)]
            for chosen in event["selection"]["selected"]
            for number in chosen["data_indices"]
        ]
    except (KeyError, IndexError, TypeError, ValueError):
        return []


def order_clicks(before: Sequence[int], selected: Sequence[int]) -> list[int]:
    """The selected places, the last clicked at the end: a dot stays selected when one of another group
    is clicked."""
    stay = [place for place in before if place in selected]
    return stay + [place for place in selected if place not in stay]


def _neighbours(run: store.Run, prepared: Prepared, seen: Samples, place: int) -> None:
    names = seen.labels
    st.markdown("**The sample, and the training samples that the net sees as most alike**")
    trained = seen
    if seen.split != "train" and "train" in prepared.splits:
        trained = looking.look(run, prepared, "train", looking.ROWS[1])
        near = seen.nearest_in(trained, place, _NEAREST)
    else:
        near = seen.near(place, _NEAREST)
    columns = st.columns(_NEAREST + 1)
    pairs = [(seen, place), *((trained, int(i)) for i in near)]
    for i, (of, at) in enumerate(pairs):
        row = of.frame.iloc[at]
        label = names[int(row["label"])] if names is not None else f"loss {row['loss']:.3g}"
        with columns[i]:
            looking.draw_sample(
                of, at, prepared, f"picked: {label}" if not i else label, f"near_{i}"
            )
            st.caption(f"`{row['key']}`")
