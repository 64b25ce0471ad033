"""Answers that need no net, to compare a net's test results with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from workbench.data import Forecast


def compute_baselines(
    forecast: Forecast, features: np.ndarray, label: np.ndarray
) -> dict[str, float]:
    """Errors of forecasts that need no net, in the labels' units. A useful net has smaller ones.

    baseline/last_value/...: each value stays as it is at the last step of the window.
    baseline/last_season/...: each value is the one of a season before; only where there is a season.

    Args:
        features: (n, steps, channels); label: (n, horizon * targets), as `Forecast` says.
    """
    steps, targets = features.shape[1], list(forecast.targets)
    places = {"last_value": np.full(forecast.horizon, steps - 1)}
    if forecast.season is not None:
        ahead = np.arange(forecast.horizon) % forecast.season
        places["last_season"] = steps - forecast.season + ahead
    errors = {}
    for name, step in places.items():
        guess = features[:, step][:, :, targets].reshape(len(label), -1)
        error = guess.astype(np.float64) - label.reshape(len(label), -1)
        errors[f"baseline/{name}/mse"] = float(np.square(error).mean())
        errors[f"baseline/{name}/mae"] = float(np.abs(error).mean())
    return errors


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
