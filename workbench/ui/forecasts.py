"""A net that predicts values: its answers beside the truth, and what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Values:
    """Every evaluated row of a net that predicts values; of a forecast, by step ahead."""

    truth: Array
    """(rows, horizon, targets); a net that forecasts nothing has a horizon of 1."""
    predicted: Array
    targets: list[str]
    forecast: bool
    season: int | None
    """Steps after which values repeat."""
    row: list[int]


@dataclass(frozen=True, kw_only=True)
class Window:
    """The kept rows of a forecast: what the net read, and answers without a net."""

    past: Array
    """(rows, steps, targets)."""
    guesses: dict[str, Array]
    """last value, last season: (rows, horizon, targets)."""


def read(run_id: str) -> Values:
    """The evaluation of a net that predicts values.

    Raises:
        Missing: it has none.
    """
    table = artifacts.values(run_id)
    truth = np.stack(table["label"].to_list()).astype(float)
    predicted = np.stack(table["prediction"].to_list()).astype(float)
    named = target_names(run_id)
    count = len(named) if named and truth.shape[1] % len(named) == 0 else truth.shape[1]
    names = named if named and count == len(named) else [f"value {i}" for i in range(count)]
    shape = (len(truth), -1, count)
    return Values(
        truth=truth.reshape(shape),
        predicted=predicted.reshape(shape),
        targets=names,
        forecast=bool(named),
        season=_source(run_id).get("season"),
        row=[int(r) for r in table["row"]],
    )


def _source(run_id: str) -> dict[str, Any]:
    try:
        source = artifacts.experiment(run_id).get("data", {}).get("source", {})
    except Missing:
        return {}
    return source if isinstance(source, dict) and source.get("kind") == "series" else {}


def target_names(run_id: str) -> list[str]:
    """The channels that a forecast predicts; empty for every other run."""
    return [str(name) for name in _source(run_id).get("targets") or ()]


def target_channels(run_id: str, targets: list[str]) -> list[int] | None:
    """The channels of the features that are forecast; None where the run does not say."""
    names = list(_source(run_id).get("channels") or ())
    if names and set(targets) <= set(names):
        return [names.index(target) for target in targets]
    restore = getattr(artifacts.net(run_id), "restore", None)
    channel = getattr(restore, "channel", None)
    return None if channel is None else [int(c) for c in channel[: len(targets)]]


def read_windows(run_id: str, values: Values) -> Window:
    """What the net read in the kept rows.

    Raises:
        Missing: no rows were kept, or the run does not say which channels are forecast.
    """
    kept = artifacts.samples(run_id)
    channels = target_channels(run_id, values.targets)
    if kept.features.ndim != 3 or channels is None:
        raise Missing(
            "The run does not say which channels are forecast (data.source.channels is empty): no "
            "past and no baselines are drawn."
        )
    past = kept.features.numpy().astype(float)[:, :, channels]
    horizon = values.truth.shape[1]
    guesses = {"last value": np.repeat(past[:, -1:], horizon, axis=1)}
    if values.season:
        ahead = np.arange(horizon) % values.season
        guesses["last season"] = past[:, past.shape[1] - values.season + ahead]
    return Window(past=past, guesses=guesses)


def error_by_step(truth: Array, predicted: Array) -> Array:
    """(horizon,) mean absolute error at each step ahead, over rows and targets."""
    errors: Array = np.abs(truth - predicted).mean(axis=(0, 2))
    return errors


def compare_with_baselines(metrics: dict[str, float]) -> pd.DataFrame:
    """A row per answer: the net, then each baseline; a column per error that was recorded."""
    rows: dict[str, dict[str, float]] = {"this net": {}}
    for name, value in metrics.items():
        parts = name.split("/")
        if parts[0] == "baseline" and len(parts) == 3:
            rows.setdefault(parts[1].replace("_", " "), {})[parts[2]] = value
    measured = [what for name, row in rows.items() if name != "this net" for what in row]
    for what in dict.fromkeys([*measured, "mse", "mae", "r2", "accuracy"]):
        if f"test/{what}" in metrics:
            rows["this net"][what] = metrics[f"test/{what}"]
    return pd.DataFrame.from_dict(rows, orient="index")
