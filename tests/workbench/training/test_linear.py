"""The linear model beside a net: as good as scikit-learn's, kept with the data, for every kind of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nets import Task
from nets.spec import TensorSpec
from workbench.bridge import Prepared, store_arrays
from workbench.data import Forecast
from workbench.training import linear, linear_fits
from workbench.training.linear import linear_baseline


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))


def prepare(spec: TensorSpec, rows: dict[str, Any], num_train: int, **facts: Any) -> Prepared:
    train = {name: values[:num_train] for name, values in rows.items()}
    test = {name: values[num_train:] for name, values in rows.items()}
    return store_arrays({"train": train, "test": test}, spec, statistics=None, **facts)


def test_digits_as_scikit_learn_has_them() -> None:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    found = load_digits()
    spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    rows = {
        "features": found.images.astype(np.uint8)[:, None],
        "label": found.target.astype(np.int64),
    }
    labels = tuple("0123456789")
    counts = tuple(np.bincount(found.target[:1200]).tolist())
    prepared = prepare(spec, rows, 1200, labels=labels, num_outputs=10, class_counts=counts)
    measured = linear_baseline(prepared, "test", Task.CLASSES)["baseline/linear/accuracy"]
    scaler = StandardScaler().fit(found.data[:1200])
    peer = LogisticRegression(max_iter=1000)
    peer.fit(scaler.transform(found.data[:1200]), found.target[:1200])
    expected = peer.score(scaler.transform(found.data[1200:]), found.target[1200:])
    assert measured == pytest.approx(expected, abs=0.01)


def test_it_is_fitted_once_and_kept_with_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(300, 4)).astype(np.float32)
    rows = {"features": features, "label": (features[:, 0] > 0).astype(np.int64)}
    spec = TensorSpec(kind="vector", shape=(4,))
    prepared = prepare(spec, rows, 200, labels=("a", "b"), num_outputs=2, class_counts=(100, 100))
    first = linear_baseline(prepared, "test", Task.CLASSES)
    assert first["baseline/linear/accuracy"] > 0.9
    kept = json.loads((prepared.folder / "linear_baseline.json").read_text())
    assert list(kept) == ["test/classes"]
    monkeypatch.setattr(linear, "_measure", lambda *_: pytest.fail("fitted again"))
    assert linear_baseline(prepared, "test", Task.CLASSES) == first
    assert linear_baseline(prepared, "test", Task.RECONSTRUCTION) == {}


def test_text_is_told_apart_by_its_words_and_pairs() -> None:
    draw = np.random.default_rng(0)
    ids = draw.integers(2, 50, (400, 8)).astype(np.int32)
    label = draw.integers(0, 2, 400)
    # Both classes have the words 60 and 61, in another order.
    ids[:, 3] = np.where(label, 60, 61)
    ids[:, 4] = np.where(label, 61, 60)
    ids[:, 6:] = 0
    spec = TensorSpec(kind="tokens", shape=(8,), dtype="int32", vocabulary_size=62)
    rows = {"features": ids, "label": label, "length": np.full(400, 6)}
    prepared = prepare(spec, rows, 300, labels=("a", "b"), num_outputs=2, class_counts=(150, 150))
    measured = linear_baseline(prepared, "test", Task.CLASSES)
    assert measured["baseline/linear/accuracy"] > 0.95


def test_values_and_forecasts_have_errors() -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(300, 3)).astype(np.float32)
    rows = {"features": features, "label": features @ np.array([1.0, -2.0, 0.5]) + 40}
    spec = TensorSpec(kind="vector", shape=(3,))
    prepared = prepare(spec, rows, 200, labels=None, num_outputs=1, class_counts=None)
    measured = linear_baseline(prepared, "test", Task.VALUES)
    assert measured["baseline/linear/mse"] < 0.01
    assert measured["baseline/linear/mae"] < 0.1

    steps = np.arange(600)
    wave = np.stack([np.sin(steps * 2 * np.pi / 12) + 5, draw.normal(size=600)], axis=1)
    windows = np.stack([wave[i : i + 24] for i in range(560)]).astype(np.float32)
    label = np.stack([wave[i + 24 : i + 27, 0] for i in range(560)]).astype(np.float32)
    prepared = prepare(
        TensorSpec(kind="series", shape=(24, 2)),
        {"features": windows, "label": label},
        400,
        labels=None,
        num_outputs=3,
        class_counts=None,
        forecast=Forecast(targets=(0,), horizon=3, season=12),
    )
    measured = linear_baseline(prepared, "test", Task.VALUES)
    assert measured["baseline/linear/mse"] < 0.01


def test_many_rows_and_large_pictures_are_taken_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    label = draw.integers(0, 2, 300)
    features = draw.integers(0, 100, (300, 3, 40, 40))
    features[:, :, :20] += 100 * label[:, None, None, None]
    rows = {"features": features.astype(np.uint8), "label": label}
    spec = TensorSpec(kind="image", shape=(3, 40, 40), dtype="uint8")
    prepared = prepare(spec, rows, 250, labels=("a", "b"), num_outputs=2, class_counts=(125, 125))
    monkeypatch.setattr(linear_fits, "_ROWS", 128)
    assert len(linear_fits.some_rows(prepared)["label"]) == 128
    measured = linear_baseline(prepared, "test", Task.CLASSES)
    assert measured["baseline/linear/accuracy"] > 0.95
