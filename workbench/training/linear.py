"""A linear model on the prepared rows: what a net has to beat.

Fitted in the process that evaluates, on what the store holds, and not by Spark: a training whose data
is in the store starts no Spark, and starting one takes longer than the fit. It takes at most `_ROWS`
rows and `_VALUES` numbers, so its memory is bounded and it takes seconds; the result is kept beside the
prepared data, so that all later trainings on it have it at no cost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor, nn

from nets import Task
from nets.mel import SpectrogramConfig, log_mel
from nets.ngrams import hash_ngrams
from workbench.bridge import Prepared
from workbench.bridge.arrays import Arrays
from workbench.training.linear_fits import (
    fit_classes,
    fit_values,
    labels_of,
    some_rows,
    values_of,
)

_CHUNK = 2_048
"""Rows at a time for predictions."""
_MOST_FEATURES = 3_072
"""Larger samples are averaged over neighbours first."""
_HASHED = 2**18
"""Rows of hashed n-grams (Weinberger et al. 2009)."""
_FILE = "linear_baseline.json"

Features = Callable[[Arrays], Tensor]


def linear_baseline(prepared: Prepared, split: str, task: Task) -> dict[str, float]:
    """baseline/linear/...: accuracy for classes; mse and mae for values and forecasts.

    Pictures, tables and series: a linear model of the standardised values. Text: of single tokens and
    pairs, weighted by TF-IDF. Forecasts: of each target's own past, as its distance from the last value.

    Args:
        split: the rows that the net is evaluated on.
    """
    if task is Task.RECONSTRUCTION or "train" not in prepared.splits:
        return {}
    key = f"{split}/{task}"
    kept = _read(prepared)
    if key not in kept:
        state = torch.get_rng_state()
        kept[key] = _measure(prepared, split, task)
        torch.set_rng_state(state)
        with suppress(OSError):  # the store may have been removed, or lie on another machine
            (prepared.folder / _FILE).write_text(json.dumps(kept))
    return {f"baseline/linear/{name}": value for name, value in kept[key].items()}


def _read(prepared: Prepared) -> dict[str, dict[str, float]]:
    with suppress(OSError, ValueError):
        found = json.loads((prepared.folder / _FILE).read_text())
        if isinstance(found, dict):
            return found
    return {}


def _measure(prepared: Prepared, split: str, task: Task) -> dict[str, float]:
    rows = some_rows(prepared)
    if prepared.forecast is not None and task is Task.VALUES:
        predict = _fit_forecast(prepared, rows)
    else:
        features, fit = _features(prepared, rows)
        inputs = features(rows)
        if task.has_classes:
            weights = fit_classes(inputs, torch.from_numpy(labels_of(rows)), prepared.num_outputs)
        else:
            weights = fit_values(inputs, torch.from_numpy(values_of(rows)), fit)

        def predict(arrays: Arrays) -> Tensor:
            out = features(arrays)
            times = torch.sparse.mm if out.is_sparse else torch.mm
            return times(out, weights[0]) + weights[1]

    right = squares = absolutes = count = 0.0
    with prepared.splits[split].open() as chosen:
        for arrays in chosen.read_chunks(_CHUNK):
            guess = predict(arrays)
            count += len(guess)
            if task.has_classes:
                right += float((guess.argmax(1).numpy() == labels_of(arrays)).sum())
            else:
                error = guess.double().numpy() - values_of(arrays)
                squares += float(np.square(error).mean(1).sum())
                absolutes += float(np.abs(error).mean(1).sum())
    if not count:
        return {}
    if task.has_classes:
        return {"accuracy": right / count}
    return {"mse": squares / count, "mae": absolutes / count}


# ---- features


def _features(prepared: Prepared, rows: Arrays) -> tuple[Features, int]:
    """What makes features of rows, fitted on `rows`; and how many there are."""
    if prepared.spec.kind == "tokens":
        hashed = _ngrams(rows)
        counts = np.bincount(hashed[1], minlength=_HASHED)
        # As scikit-learn's TfidfVectorizer: smooth, so that nothing is divided by 0.
        idf = np.log((1 + len(rows["label"])) / (1 + counts)) + 1
        return lambda arrays: _tf_idf(arrays, idf), _HASHED
    dense = _dense(prepared, rows)
    mean, deviation = dense.mean(0), dense.std(0)
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), torch.zeros(()))
    return lambda arrays: (_dense(prepared, arrays) - mean) * scale, dense.shape[1]


def _dense(prepared: Prepared, arrays: Arrays) -> Tensor:
    """(n, features) float32; 0 from a row's length on. Of sounds, mean and deviation of each band."""
    if prepared.spec.kind == "sound":
        bands = log_mel(np.asarray(arrays["features"]), SpectrogramConfig(), prepared.spec)
        return torch.from_numpy(np.concatenate([bands.mean(1), bands.std(1)], axis=1))
    x = torch.from_numpy(np.array(arrays["features"], np.float32))
    if prepared.spec.kind == "series" and "length" in arrays:
        steps = torch.arange(x.shape[1])
        lengths = torch.from_numpy(np.array(arrays["length"]).astype(np.int64))
        x = x.masked_fill((steps >= lengths[:, None])[:, :, None], 0.0)
    size = int(np.prod(x.shape[1:]))
    if size > _MOST_FEATURES and prepared.spec.kind == "image":
        side = max(1, int((_MOST_FEATURES / x.shape[1]) ** 0.5))
        x = nn.functional.adaptive_avg_pool2d(x, side)
    elif size > _MOST_FEATURES and prepared.spec.kind == "series":
        count = max(1, _MOST_FEATURES // x.shape[2])
        x = nn.functional.adaptive_avg_pool1d(x.transpose(1, 2), count)
    return x.flatten(1)


def _ngrams(arrays: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, hashed n-gram and count, for each different n-gram of each row."""
    ids = np.asarray(arrays["features"]).astype(np.int64)
    every = [(ids % _HASHED, ids > 0), *hash_ngrams(ids, 2, _HASHED)]
    codes = np.concatenate([code for code, _ in every], axis=1)
    there = np.concatenate([here for _, here in every], axis=1)
    row = np.broadcast_to(np.arange(len(ids))[:, None], codes.shape)[there]
    both, count = np.unique(row * _HASHED + codes[there], return_counts=True)
    return both // _HASHED, both % _HASHED, count


def _tf_idf(arrays: Arrays, idf: np.ndarray) -> Tensor:
    """(n, _HASHED) sparse, each row of length 1."""
    row, code, count = _ngrams(arrays)
    values = count * idf[code]
    length = np.sqrt(np.bincount(row, values**2, minlength=len(arrays["label"])))
    values = (values / np.maximum(length[row], 1e-12)).astype(np.float32)
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack([row, code]).astype(np.int64)),
        torch.from_numpy(values),
        size=(len(arrays["label"]), _HASHED),
        is_coalesced=True,
        check_invariants=True,
    )


# ---- forecasts


def _fit_forecast(prepared: Prepared, rows: Arrays) -> Features:
    """Ridge regression of each target's change on its own changes within the window."""
    forecast = prepared.forecast
    assert forecast is not None
    targets, horizon = list(forecast.targets), forecast.horizon

    def own(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
        past = np.asarray(arrays["features"], np.float64)[:, :, targets]
        return past - past[:, -1:], past[:, -1]

    past, last = own(rows)
    change = values_of(rows).reshape(len(past), horizon, len(targets)) - last[:, None]
    weights, means = [], []
    for number in range(len(targets)):
        x, y = past[:, :, number], change[:, :, number]
        scale = max(float(x.std()), 1e-9)
        outer = x.T @ x / len(x) + 1e-2 * scale**2 * np.eye(x.shape[1])
        weights.append(np.linalg.solve(outer, x.T @ (y - y.mean(0)) / len(x)))
        means.append(y.mean(0))
    weight, mean = np.stack(weights), np.stack(means, axis=1)

    def predict(arrays: Arrays) -> Tensor:
        past, last = own(arrays)
        guess = np.einsum("btn,nth->bhn", past, weight) + mean + last[:, None]
        return torch.from_numpy(guess.reshape(len(past), -1))

    return predict
