"""Answers that need no net, to compare a net's test results with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from workbench.bridge.arrays import Arrays
from workbench.data import Forecast


def compute_baselines(forecast: Forecast, chunks: Iterable[Arrays]) -> dict[str, float]:
    """Errors of forecasts that need no net, in the labels' units. A useful net has smaller ones.

    baseline/last_value/...: each value stays as it is at the last step of the window.
    baseline/last_season/...: each value is the one of a season before; only where there is a season.

    Args:
        chunks: some rows after others: features (n, steps, channels) and label (n, horizon *
            targets), as `Forecast` says.
    """
    sums: dict[str, float] = {}
    rows = 0
    for arrays in chunks:
        rows += len(arrays["label"])
        features, label = arrays["features"], arrays["label"].reshape(len(arrays["label"]), -1)
        for name, guess in _guess(forecast, features).items():
            error = guess.astype(np.float64) - label
            for figure, value in (("mse", np.square(error)), ("mae", np.abs(error))):
                key = f"baseline/{name}/{figure}"
                sums[key] = sums.get(key, 0.0) + float(value.mean()) * len(label)
    return {name: value / rows for name, value in sums.items()}


def _guess(forecast: Forecast, features: np.ndarray) -> dict[str, np.ndarray]:
    """(n, horizon * targets) by the name of the way to guess."""
    steps, targets = features.shape[1], list(forecast.targets)
    places = {"last_value": np.full(forecast.horizon, steps - 1)}
    if forecast.season is not None:
        ahead = np.arange(forecast.horizon) % forecast.season
        places["last_season"] = steps - forecast.season + ahead
    return {
        name: features[:, step][:, :, targets].reshape(len(features), -1)
        for name, step in places.items()
    }


def commonest_class_baseline(train_counts: ArrayLike, label: ArrayLike) -> dict[str, float]:
    """The accuracy of always naming the class that has the most training rows.

    Args:
        train_counts: (classes,) training rows of each class; label: (n,) class indices.
    """
    labels = np.asarray(label)
    if not len(labels):
        return {}
    share = float((labels == int(np.argmax(np.asarray(train_counts)))).mean())
    return {"baseline/commonest_class/accuracy": share}


def mean_baseline(train_mean: ArrayLike, label: ArrayLike) -> dict[str, float]:
    """The error of always giving the mean of the training rows, in the labels' units.

    Args:
        train_mean: (outputs,) mean of each; label: (n,) or (n, outputs).
    """
    labels = np.asarray(label, dtype=np.float64)
    if not len(labels):
        return {}
    error = np.asarray(train_mean, dtype=np.float64).reshape(1, -1) - labels.reshape(
        len(labels), -1
    )
    return {"baseline/mean/mse": float(np.square(error).mean())}
