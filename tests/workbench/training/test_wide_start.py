"""A net with a linear part starts as the fitted linear model, and nets without one as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nets
from nets import CNNConfig, PreparationConfig, RNNConfig, Sums, TensorSpec, TrainingConfig
from workbench.bridge import Prepared, store_arrays
from workbench.data import Forecast
from workbench.experiments.experiment import Experiment
from workbench.training.baselines import compute_baselines
from workbench.training.learner import Learner, new_net
from workbench.training.linear import linear_baseline

VALUES: dict[str, Any] = {"loss": "mse", "monitor": "validation/loss", "mode": "min"}
DENSE = CNNConfig(blocks=(), dense=(8,), dropout=0.2, wide=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))


def figures(rows: np.ndarray) -> Any:
    sums = Sums(rows.shape[1])
    sums.add(rows.astype(np.float64))
    return sums.statistics()


def table(*, classes: bool, weight: bool = False) -> Prepared:
    draw = np.random.default_rng(0)
    features = (draw.normal(size=(400, 5)) * [1, 5, 0.1, 1, 1] + 3).astype(np.float32)
    score = features @ np.array([1.0, -0.3, 4.0, 0.0, 0.5]) + draw.normal(size=400)
    label = (score > np.median(score)).astype(np.int64) if classes else score * 20 + 100
    columns = {"features": features, "label": label}
    if weight:
        columns["weight"] = np.ones(400, np.float32)
    cuts = {"train": slice(0, 200), "validation": slice(200, 250), "test": slice(250, 400)}
    return store_arrays(
        {name: {key: value[cut] for key, value in columns.items()} for name, cut in cuts.items()},
        TensorSpec(kind="vector", shape=(5,)),
        labels=("no", "yes") if classes else None,
        num_outputs=2 if classes else 1,
        statistics=figures(features[:200]),
        class_counts=(100, 100) if classes else None,
        targets=None if classes else figures(label[:200, None]),
    )


@pytest.mark.parametrize("classes", [True, False])
def test_the_net_of_a_table_starts_where_the_linear_baseline_is(classes: bool) -> None:
    prepared = table(classes=classes)
    training = TrainingConfig(**({} if classes else VALUES))
    learner = Learner(Experiment(name="t", net=DENSE, training=training), prepared)
    evaluation = learner.evaluate("test")
    measured = evaluation.metrics("test")
    baseline = linear_baseline(prepared, "test", evaluation.task)
    unit = "accuracy" if classes else "mse"
    assert measured[f"test/{unit}"] == pytest.approx(baseline[f"baseline/linear/{unit}"], rel=1e-3)
    before = learner.net.body.output.weight.detach().clone()  # type: ignore[union-attr, operator]
    learner.train_epoch()
    assert not torch.equal(before, learner.net.body.output.weight)  # type: ignore[union-attr]


def test_a_last_layer_that_is_frozen_is_not_set_to_0() -> None:
    prepared = table(classes=True)
    frozen = TrainingConfig(freeze={"body.output": None})
    learner = Learner(Experiment(name="t", net=DENSE, training=frozen), prepared)
    before = {
        n: v.clone() for n, v in learner.net.state_dict().items() if n.startswith("body.dense")
    }
    learner.train_epoch()
    assert before and all(
        not torch.equal(v, learner.net.state_dict()[n]) for n, v in before.items()
    )


def test_rows_with_weights_and_nets_without_a_linear_part_start_as_they_are_built() -> None:
    weighted, plain = table(classes=True, weight=True), table(classes=True)
    net = new_net(Experiment(name="t", net=DENSE), weighted)
    assert not net.body.wide.linear.weight.any()  # type: ignore[union-attr, operator]
    config = CNNConfig(blocks=(), dense=(8,))
    net = new_net(Experiment(name="t", net=config), plain)
    prepare = nets.prepare.make(PreparationConfig(), plain.spec, plain.statistics)
    built = nets.build(config, plain.spec, 2, prepare=prepare)
    for name, value in built.state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), name


def test_a_series_is_told_apart_by_the_random_convolutions_that_its_net_starts_with() -> None:
    draw = np.random.default_rng(0)
    label = np.arange(300) % 2
    features = draw.normal(0, 0.3, (300, 40, 2)).astype(np.float32)
    form = np.linspace(0, 2, 8)
    for row, number in enumerate(label):  # a rise or a fall that lies anywhere
        start = draw.integers(0, 32)
        features[row, start : start + 8, 0] += form if number else form[::-1]
    columns = {"features": features, "label": label, "length": np.full(300, 40)}
    cuts = {"train": slice(0, 150), "test": slice(150, 300)}
    prepared = store_arrays(
        {name: {key: value[cut] for key, value in columns.items()} for name, cut in cuts.items()},
        TensorSpec(kind="series", shape=(40, 2)),
        labels=("fall", "rise"),
        num_outputs=2,
        statistics=figures(features.reshape(-1, 2)),
        class_counts=(75, 75),
    )
    experiment = Experiment(name="t", net=RNNConfig(hidden=4, wide=2))
    evaluation = Learner(experiment, prepared).evaluate("test")
    assert evaluation.metrics("test")["test/accuracy"] > 0.8
    baseline = linear_baseline(prepared, "test", evaluation.task)
    assert baseline["baseline/linear/accuracy"] < 0.65


def windows(values: np.ndarray, forecast: Forecast, length: int) -> Prepared:
    whole = length + forecast.horizon
    cuts = {"train": (0, 0.7), "validation": (0.7, 0.8), "test": (0.8, 1.0)}
    rows = {}
    for name, (low, high) in cuts.items():
        starts = range(int(low * len(values)), int(high * len(values)) - whole)
        later = [values[i + length : i + whole, list(forecast.targets)].ravel() for i in starts]
        rows[name] = {
            "features": np.stack([values[i : i + length] for i in starts]).astype(np.float32),
            "label": np.stack(later).astype(np.float32),
        }
    train = rows["train"]
    change = train["label"] - train["features"][:, -1][:, list(forecast.channels)]
    return store_arrays(
        rows,
        TensorSpec(kind="series", shape=(length, values.shape[1])),
        labels=None,
        num_outputs=train["label"].shape[1],
        statistics=figures(train["features"].reshape(len(train["label"]), -1)),
        class_counts=None,
        targets=figures(change),
        forecast=forecast,
    )


def start_and_baselines(values: np.ndarray, forecast: Forecast, length: int) -> Any:
    prepared = windows(values, forecast, length)
    net = RNNConfig(hidden=4, wide=1, relative=True)
    preparation = PreparationConfig(targets="change")
    training = TrainingConfig(**VALUES)
    experiment = Experiment(name="t", net=net, preparation=preparation, training=training)
    evaluation = Learner(experiment, prepared).evaluate("test")
    with prepared.splits["test"].open() as rows:
        baselines = compute_baselines(forecast, rows.read_chunks())
    baselines |= linear_baseline(prepared, "test", evaluation.task)
    own = evaluation.metrics("test")["test/mse"]
    return own, {name.split("/")[1]: v for name, v in baselines.items() if name.endswith("mse")}


def test_a_forecast_starts_where_the_linear_baseline_is_or_at_the_last_season() -> None:
    draw = np.random.default_rng(0)
    walk = draw.normal(size=(300, 2)).cumsum(0) * [1, 10]
    forecast = Forecast(targets=(1,), horizon=3, season=None)
    own, baselines = start_and_baselines(walk, forecast, 20)
    assert own < 1.03 * baselines["linear"] < 1.2 * baselines["last_value"]
    # A season that repeats itself, which a linear model needs more windows for.
    seasons = np.tile(draw.normal(size=20) * 10, 18)[:, None] + draw.normal(size=(360, 1)) * 0.1
    forecast = Forecast(targets=(0,), horizon=6, season=20)
    own, baselines = start_and_baselines(seasons, forecast, 22)
    assert own < 1.2 * min(baselines.values())
    waves = np.sin(np.arange(400) * 2 * np.pi / 12)[:, None] + draw.normal(size=(400, 1)) * 0.3
    two = np.concatenate([waves, waves * 7 + 3], axis=1)
    forecast = Forecast(targets=(1, 0), horizon=2, season=12)
    own, baselines = start_and_baselines(two, forecast, 24)
    assert own < 1.05 * baselines["linear"] < 0.8 * baselines["last_season"]
