"""Whether a classifier is as sure as it is right: the reliability diagram of its predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import ArrayLike

from workbench.ui import charts, store, widgets
from workbench.ui.inside import artifacts

_BINS = 10
_FEW = 20
"""A share of fewer rows than this is mostly chance."""


def make_bins(confidence: ArrayLike, right: ArrayLike, bins: int = _BINS) -> pd.DataFrame:
    """A row per range of confidence that has any prediction; ranges are of equal width.

    Args:
        confidence: probability of the predicted class of each row, 0 to 1.
        right: whether each prediction is the label.

    Returns:
        Columns `from`, `to`, `rows`, `confidence` (mean), `right` (share), `deviation` (standard
        error of that share).
    """
    frame = pd.DataFrame({"confidence": np.asarray(confidence, float), "right": np.asarray(right)})
    # The upper end belongs to a range: a confidence of exactly 1 is in the last one
    number = np.clip(np.ceil(frame["confidence"] * bins).astype(int) - 1, 0, bins - 1)
    grouped = frame.groupby(number.rename("bin"))
    table = grouped.agg(
        rows=("right", "size"), confidence=("confidence", "mean"), right=("right", "mean")
    )
    table.insert(0, "from", table.index / bins)
    table.insert(1, "to", (table.index + 1) / bins)
    table["deviation"] = np.sqrt(table["right"] * (1 - table["right"]) / table["rows"])
    return table.reset_index(drop=True)


def mean_gap(table: pd.DataFrame) -> float:
    """The mean distance of confidence and share of right answers, each range by its rows: the expected
    calibration error (Naeini et al., 2015)."""
    gaps = (table["confidence"] - table["right"]).abs()
    return float((gaps * table["rows"]).sum() / table["rows"].sum())


def draw(run: store.Run, evaluation: artifacts.Evaluation) -> None:
    """The diagram, in words and as a table."""
    predictions = artifacts.predictions(run.id)
    if predictions.empty:
        st.caption("The evaluation has no rows.")
        return
    right = predictions["label"] == predictions["prediction"]
    table = make_bins(predictions["confidence"], right)
    gap, sure = mean_gap(table), float(predictions["confidence"].mean())
    left, beside = st.columns([3, 2])
    with left:
        charts.draw(
            _chart(table), key="calibration", height=320, alt="Share of right answers by confidence"
        )
    with beside:
        st.markdown(
            f"On average it is **{sure:.1%}** sure and **{right.mean():.1%}** right. Within a range of "
            f"confidence the two are **{gap:.1%}** apart (expected calibration error, {_BINS} ranges)."
        )
        widgets.show_table(
            _as_text(table), "calibration_table", "Right answers by range of confidence"
        )
        widgets.csv(table, f"{run.name}_calibration")
    rows = int(evaluation.values.get("rows", len(predictions)))
    over = f"the first {len(predictions):,} of {rows:,}" if len(predictions) < rows else f"{rows:,}"
    st.caption(
        f"Below the grey line the net is surer than it is right. Over {over} rows of the {evaluation.split} "
        f"split; a range of fewer than {_FEW} rows is a hollow dot."
    )


def _chart(table: pd.DataFrame) -> charts.Spec:
    spec = charts.curves(
        {"this net": list(zip(table["confidence"], table["right"], strict=True))},
        x_name="confidence",
    )
    spec["xAxis"] |= {"min": 0, "max": 1}
    spec["yAxis"] = {"type": "value", "name": "right", "min": 0, "max": 1}
    spec["grid"]["top"] = 34
    line = spec["series"][0]
    for place, rows in enumerate(table["rows"]):
        hollow = {"symbol": "emptyCircle"} if rows < _FEW else {}
        line["data"][place] = {"value": line["data"][place], **hollow}
    line |= {"symbolSize": 9, "showSymbol": True}
    spec["series"].append(
        {
            "type": "line",
            "name": "as sure as right",
            "data": [[0, 0], [1, 1]],
            "symbol": "none",
            "color": charts.GREY,
            "lineStyle": {"width": 1, "type": "dashed"},
        }
    )
    return spec


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "confidence": [
                f"{low:.0%} to {high:.0%}"
                for low, high in zip(table["from"], table["to"], strict=True)
            ],
            "rows": table["rows"],
            "right": [
                f"{share:.1%} ± {spread:.1%}"
                for share, spread in zip(table["right"], table["deviation"], strict=True)
            ],
        }
    )
