"""Small data sets on which recipes are chosen, none of which is in the table of quality.

Made-up ones, tables of scikit-learn, and, where the folder has them, files of real data:

    series/NAME_TRAIN.ts, NAME_TEST.ts   of the UCR and UEA archives
    classes/NAME.csv, values/NAME.csv    a header; numbers; what is learned last
    forecasts/NAME.csv                   a header; numbers; what is forecast last

Each seed draws other rows for test, except where there is a test file or the order is that of time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.quality_sets import (
    DataSet,
    Read,
    cifar10,
    fashion_mnist,
    names,
    of_table,
    of_text,
    of_ts_files,
    of_windows,
    rt_polarity,
    split,
)
from nets import TensorSpec
from workbench.data import Forecast

_RATE = 8_000


def _from_sklearn(name: str, num_labels: int | None, **options: object) -> Read:
    """`load_...` or `make_...` of scikit-learn, with other rows for each seed."""

    def read(_: Path, seed: int) -> DataSet:
        from sklearn import datasets

        make = getattr(datasets, name)
        drawn = {"random_state": seed} if name.startswith("make_") else {}
        features, label = make(**options, **drawn, **{} if drawn else {"return_X_y": True})
        labels = None if num_labels is None else tuple(map(str, range(num_labels)))
        if labels is not None:
            label = np.unique(label, return_inverse=True)[1]
        return of_table(np.asarray(features), np.asarray(label), labels, draw=seed)

    return read


def _from_csv(kind: str, name: str) -> Read:
    """A table of numbers, the last column of which is learned."""

    def read(data: Path, seed: int) -> DataSet:
        values = np.loadtxt(data / kind / f"{name}.csv", delimiter=",", skiprows=1)
        features, label = values[:, :-1], values[:, -1]
        if kind == "values":
            return of_table(features, label, None, draw=seed)
        kinds, label = np.unique(label, return_inverse=True)
        return of_table(features, label, tuple(f"{each:g}" for each in kinds), draw=seed)

    return read


def _forecast_csv(name: str, season: int | None) -> Read:
    def read(data: Path, _: int) -> DataSet:
        values = np.loadtxt(data / "forecasts" / f"{name}.csv", delimiter=",", skiprows=1, ndmin=2)
        return _as_described(values, season)

    return read


def _as_described(values: np.ndarray, season: int | None) -> DataSet:
    """Windows as `describe` proposes them for so many rows (`workbench.data.sources.guess_series`)."""
    season = None if season is not None and len(values) < 15 * season else season
    horizon = season if season is not None and season <= 48 else 1
    longest = max(96, 2 * (season or 0))
    length = int(max(2, min(longest, len(values) / 12 - horizon)))
    season = season if season is not None and season <= length else None
    target = values.shape[1] - 1
    stride = max(1, len(values) // 2_000)
    forecast = Forecast(targets=(target,), horizon=horizon, season=season)
    return of_windows(values, forecast, length=length, stride=stride)


def _made_series(make: Callable[[np.random.Generator], np.ndarray], season: int | None) -> Read:
    def read(_: Path, seed: int) -> DataSet:
        values = make(np.random.default_rng(seed))
        return _as_described(values.reshape(len(values), -1), season)

    return read


def _walk(draw: np.random.Generator) -> np.ndarray:
    """A random walk: nothing beats the last value."""
    return draw.normal(size=(900, 2)).cumsum(0)


def _autoregression(draw: np.random.Generator) -> np.ndarray:
    values = np.zeros(900)
    noise = draw.normal(size=900)
    for step in range(2, 900):
        values[step] = 1.5 * values[step - 1] - 0.75 * values[step - 2] + noise[step]
    return values


def _seasons(draw: np.random.Generator) -> np.ndarray:
    """A trend, a season of a week and noise."""
    steps = np.arange(900)
    wave = 4 * np.sin(steps * 2 * np.pi / 7) + 2 * np.cos(steps * 4 * np.pi / 7)
    return 0.01 * steps + wave + draw.normal(size=900)


def _logistic_map(draw: np.random.Generator) -> np.ndarray:
    """Chaos of a parabola: no linear forecast sees it."""
    values = np.full(900, draw.uniform(0.2, 0.8))
    for step in range(1, 900):
        values[step] = 3.8 * values[step - 1] * (1 - values[step - 1])
    return values + 0.01 * draw.normal(size=900)


def _bumps(rows: int, steps: int, channels: int) -> Read:
    """Classes are the form of a bump that lies anywhere: where it lies says nothing."""

    def read(_: Path, seed: int) -> DataSet:
        draw = np.random.default_rng(seed)
        label = draw.integers(0, 3, rows)
        features = draw.normal(0, 0.5, (rows, steps, channels))
        width = steps // 5
        forms = (np.hanning(width), np.linspace(0, 1, width), np.linspace(1, 0, width))
        for row, number in enumerate(label):
            start = draw.integers(0, steps - width)
            features[row, start : start + width, 0] += 3 * forms[number]
        return DataSet(
            spec=TensorSpec(kind="series", shape=(steps, channels)),
            rows=split({"features": features.astype(np.float32), "label": label}, test=0.3),
            labels=("round", "up", "down"),
        )

    return read


def _sounds(rows: int, make: Callable[[np.ndarray, int, np.random.Generator], np.ndarray]) -> Read:
    """Half a second each, of four classes, at any loudness and with noise."""

    def read(_: Path, seed: int) -> DataSet:
        draw = np.random.default_rng(seed)
        seconds = np.arange(_RATE // 2) / _RATE
        label = draw.integers(0, 4, rows)
        features = []
        for number in label:
            sound = make(seconds, int(number), draw) * draw.uniform(0.1, 0.5)
            features.append(sound + draw.normal(0, 0.05, len(seconds)))
        sounds = (np.clip(features, -1, 1) * 32_000).astype(np.int16)
        return DataSet(
            spec=TensorSpec(kind="sound", shape=(len(seconds),), dtype="int16", rate=_RATE),
            rows=split({"features": sounds, "label": label}, test=0.3, draw=seed),
            labels=tuple("abcd"),
        )

    return read


def _tone(seconds: np.ndarray, number: int, draw: np.random.Generator) -> np.ndarray:
    pitch = (300, 420, 590, 830)[number] * draw.uniform(0.93, 1.07)
    return np.sin(2 * np.pi * pitch * seconds + draw.uniform(0, 6))


def _glide(seconds: np.ndarray, number: int, draw: np.random.Generator) -> np.ndarray:
    """Up, down, up and down, or level; from any pitch."""
    path = (seconds, -seconds, 0.5 - 2 * np.abs(seconds - 0.25), 0 * seconds)[number]
    pitch = draw.uniform(600, 1200) * 2.0 ** (2 * path)
    return np.sin(2 * np.pi * np.cumsum(pitch) / _RATE)


def _few(read: Callable[[Path], DataSet], rows: int) -> Read:
    """Some training rows of a large set, in place of all of it; its own test rows are not read."""

    def few(data: Path, seed: int) -> DataSet:
        whole = read(data)
        chosen = np.random.default_rng(seed).permutation(len(whole.rows["train"]["label"]))[:rows]
        part = {name: values[chosen] for name, values in whole.rows["train"].items()}
        whole.rows, whole.metric = split(part, test=0.4, draw=seed), "test/accuracy"
        return whole

    return few


def _few_digits(_: Path, seed: int) -> DataSet:
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = {"features": found.images.astype(np.uint8)[:, None], "label": found.target}
    parts = split(rows, test=0.6, draw=seed)
    parts["train"] = {name: values[:200] for name, values in parts["train"].items()}
    return DataSet(
        spec=TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8"),
        rows=parts,
        labels=tuple("0123456789"),
    )


def _word_order(_: Path, seed: int) -> DataSet:
    """Made-up sentences of which the order of two words decides."""
    draw = np.random.default_rng(seed)
    words = [f"w{number}" for number in range(300)]
    label = draw.integers(0, 2, 1_500)
    texts = []
    for number in label:
        text = list(draw.choice(words, 12))
        first, second = sorted(draw.choice(12, 2, replace=False))
        text[first], text[second] = ("cause", "effect") if number else ("effect", "cause")
        texts.append(" ".join(text))
    return of_text(texts, label.tolist(), ("no", "yes"), "words", draw=seed)


def _ts(name: str) -> Read:
    return lambda data, seed: of_ts_files(data / "series", f"{name}_", seed)


_CLASSES = ("anes96", "modechoice", "affairs")
_VALUES = ("statecrime", "cancer", "ccard", "randhie", "fair", "star98", "engel")
_SERIES = (
    *("ArrowHead", "GunPoint", "ItalyPowerDemand", "BasicMotions", "OSULeaf", "ACSF1"),
    "PickupGestureWiimoteZ",
)
_FORECASTS = (
    *(("sunspots", None), ("nile", None), ("lynx", None), ("elnino", 12), ("airline", 12)),
    *(("elec_equip", 12), ("co2", None), ("macrodata", 4), ("uschange", 4), ("solar", 48)),
)

DEVELOPMENT_SETS: dict[str, Read] = {
    "iris": _from_sklearn("load_iris", 3),
    "digits-table": _from_sklearn("load_digits", 10),
    "moons": _from_sklearn("make_moons", 2, n_samples=300, noise=0.3),
    "noisy-classes": _from_sklearn(
        "make_classification", 2, n_samples=250, n_features=30, n_informative=4, flip_y=0.1
    ),
    "hastie": _from_sklearn("make_hastie_10_2", 2, n_samples=1_500),
    "friedman1": _from_sklearn("make_friedman1", None, n_samples=300, noise=1.0),
    "friedman2": _from_sklearn("make_friedman2", None, n_samples=300, noise=100.0),
    "friedman3": _from_sklearn("make_friedman3", None, n_samples=300, noise=0.1),
    "sparse-values": _from_sklearn("make_sparse_uncorrelated", None, n_samples=200, n_features=30),
    "noisy-values": _from_sklearn(
        "make_regression", None, n_samples=150, n_features=20, n_informative=5, noise=80.0
    ),
    "linnerud": _from_sklearn("load_linnerud", None),
    **{f"{name}-classes": _from_csv("classes", name) for name in _CLASSES},
    **{f"{name}-values": _from_csv("values", name) for name in _VALUES},
    **{name: _ts(name) for name in _SERIES},
    "bumps": _bumps(150, 60, 1),
    "bumps-among-noise": _bumps(150, 60, 5),
    **{name: _forecast_csv(name, season) for name, season in _FORECASTS},
    "walk": _made_series(_walk, None),
    "autoregression": _made_series(_autoregression, None),
    "seasons": _made_series(_seasons, 7),
    "logistic-map": _made_series(_logistic_map, None),
    "tones": _sounds(240, _tone),
    "glides": _sounds(240, _glide),
    "digits-few": _few_digits,
    "fashion-few": _few(fashion_mnist, 1_500),
    "cifar-few": _few(cifar10, 1_500),
    "names-few": _few(names, 1_500),
    "rt-polarity-few": _few(rt_polarity, 1_500),
    "word-order": _word_order,
}
