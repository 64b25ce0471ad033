"""Whether a classifier is as sure as it is right: the reliability diagram of its predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
import torch
from numpy.typing import ArrayLike

from nets.metrics import bin_confidences, calibration_error
from workbench.ui import charts, store, widgets
from workbench.ui.inside import artifacts

_FEW = 20
"""A share of fewer rows than this is mostly chance."""


def make_bins(confidence: ArrayLike, right: ArrayLike) -> pd.DataFrame:
    """`tabulate` of single answers.

    Args:
        confidence: probability of the predicted class of each row, 0 to 1.
        right: whether each prediction is the label.
    """
    answers = torch.tensor(np.asarray(confidence, float)), torch.tensor(np.asarray(right, bool))
    return tabulate(bin_confidences(*answers).tolist())


def tabulate(sums: ArrayLike) -> pd.DataFrame:
    """A row per range of confidence that has any prediction; ranges are of equal width.

    Args:
        sums: (3, ranges), as `nets.metrics.calibration_bins`.

    Returns:
        Columns `from`, `to`, `rows`, `confidence` (mean), `right` (share), `low` and `high` (Wilson's
        95 % interval of that share).
    """
    from workbench.training.verdicts import wilson_interval  # a face would load more

    rows, confidence, right = np.asarray(sums, float)
    present, ranges = np.flatnonzero(rows), len(rows)
    rows = rows[present]
    share = right[present] / rows
    bands = [wilson_interval(*seen) for seen in zip(share, rows, strict=True)]
    columns = {
        "from": present / ranges,
        "to": (present + 1) / ranges,
        "rows": rows.astype(int),
        "confidence": confidence[present] / rows,
        "right": share,
        "low": [low for low, _ in bands],
        "high": [high for _, high in bands],
    }
    return pd.DataFrame(columns)


def mean_gap(table: pd.DataFrame) -> float:
    """The expected calibration error of a table of `tabulate`."""
    sums = [table["rows"], table["rows"] * table["confidence"], table["rows"] * table["right"]]
    return calibration_error(torch.tensor(np.array(sums)))


def draw(run: store.Run, evaluation: artifacts.Evaluation) -> None:
    """The diagram, in words and as a table."""
    if (recorded := evaluation.values.get("calibration")) is not None:  # of all rows
        table = tabulate([recorded[name] for name in ("rows", "confidence", "right")])
    else:  # an earlier version of the program recorded the rows that it lists
        predictions = artifacts.predictions(run.id)
        right = predictions["label"] == predictions["prediction"]
        table = make_bins(predictions["confidence"], right)
    if table.empty:
        st.caption("The evaluation has no rows.")
        return
    counted = int(table["rows"].sum())
    sure, share = (
        np.average(table[name], weights=table["rows"]) for name in ("confidence", "right")
    )
    left, beside = st.columns([3, 2])
    with left:
        charts.draw(
            _chart(table), key="calibration", height=320, alt="Share of right answers by confidence"
        )
    with beside:
        st.markdown(
            f"On average it is **{sure:.1%}** sure and **{share:.1%}** right. Within a range of confidence "
            f"the two are **{mean_gap(table):.1%}** apart (expected calibration error, 10 ranges)."
        )
        widgets.show_table(
            _as_text(table), "calibration_table", "Right answers by range of confidence"
        )
        widgets.csv(table, f"{run.name}_calibration")
    rows = int(evaluation.values.get("rows", counted))
    over = f"the first {counted:,} of {rows:,}" if counted < rows else f"{rows:,}"
    st.caption(
        f"Below the grey line the net is surer than it is right. Over {over} rows of the {evaluation.split} "
        f"split; a range of fewer than {_FEW} rows is a hollow dot. In brackets: Wilson's 95 % interval."
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
                f"{share:.1%} ({low:.0%} to {high:.0%})"
                for share, low, high in zip(
                    table["right"], table["low"], table["high"], strict=True
                )
            ],
        }
    )
