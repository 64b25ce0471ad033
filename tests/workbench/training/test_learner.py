"""A training that goes on in the middle of an epoch gives what an unbroken one gives."""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save

from nets import TrainingConfig
from nets.augment import AugmentConfig
from nets.config import override
from nets.errors import ConfigError
from nets.spec import TensorSpec
from tests.workbench.small import digits, digits_sweep
from workbench.bridge import Prepared, store_arrays
from workbench.experiments.experiment import Experiment
from workbench.results import TrainResult
from workbench.sweeps.checks import check_space
from workbench.training.checks import check_prepared
from workbench.training.driver import judge_run
from workbench.training.epochs import describe_long_epochs
from workbench.training.evaluation import evaluate_best
from workbench.training.learner import Learner, cpu_state
from workbench.training.provenance import tags

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
ROWS, SIZE = 400, 8


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, ROWS)
    features = generator.integers(0, 100, (ROWS, *SPEC.shape)).astype(np.uint8)
    features[:, 0, :4] += (100 * label[:, None, None]).astype(np.uint8)
    rows = {"features": features, "label": label}
    few = {name: values[:50] for name, values in rows.items()}
    return store_arrays(
        {"train": rows, "validation": few},
        SPEC,
        labels=("no", "yes"),
        num_outputs=2,
        statistics=None,
        class_counts=tuple(np.bincount(label).tolist()),
    )


@pytest.fixture
def experiment() -> Experiment:
    net = replace(digits().net, dropout=0.2)
    training = TrainingConfig(
        epochs=2, batch_size=SIZE, augment=AugmentConfig(flip=True), resample="over", health=False
    )
    preparation = replace(digits().preparation, method="none")
    return replace(digits(), net=net, training=training, preparation=preparation)


def without_time(metrics: dict[str, float]) -> dict[str, float]:
    times = ("samples_per_s", "data/seconds_waited", "data/share_waited")
    return {name: value for name, value in metrics.items() if name not in times}


def test_a_training_goes_on_at_the_next_batch(
    experiment: Experiment, prepared: Prepared, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    unbroken = Learner(experiment, prepared)
    expected = [without_time(unbroken.train_epoch()) for _ in range(2)]
    learner = Learner(experiment, prepared)
    history: list[dict[str, float]] = []
    parts = 0
    while not learner.finished:
        if learner.train_part(0.0):
            history.append(without_time(learner.train_epoch()))
        else:
            parts += 1
            assert 0 < learner.fit.rows < learner.fit.steps_per_epoch * SIZE
        folder = tmp_path / f"{len(history)}-{learner.fit.step}"
        folder.mkdir()
        learner.save(folder)
        learner = Learner(experiment, prepared)  # as after a kill
        learner.load(folder)
    assert parts >= 4
    assert history == expected


def test_what_reading_costs_is_measured_for_each_epoch(
    experiment: Experiment, prepared: Prepared
) -> None:
    learner = Learner(experiment, prepared)
    for _ in range(2):
        metrics = learner.train_epoch()
        rows = metrics["data/bytes"] / SPEC.num_bytes
        assert rows == 2 * max(prepared.class_counts or ())  # resampled
        assert 0 < metrics["data/seconds_waited"] < 60
        assert 0 < metrics["data/share_waited"] < 1


def test_a_split_too_large_to_keep_has_the_same_results(
    experiment: Experiment, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = save(cpu_state(Learner(experiment, prepared).net))
    monkeypatch.setattr("workbench.training.learner._EVALUATED", 16)
    whole = evaluate_best(experiment, prepared, weights)
    monkeypatch.setattr("workbench.training.learner.HELD_BYTES", 100)
    few = evaluate_best(experiment, prepared, weights)
    assert few.metrics == pytest.approx(whole.metrics, rel=1e-12)
    before, after = (
        json.loads(model.files["evaluation/validation.json"]) for model in (whole, few)
    )
    assert after.pop("rows_listed") == 16 and after["rows"] == 50
    assert after == {**before, **{k: pytest.approx(before[k]) for k in ("validation/loss",)}}
    listed = pq.read_table(io.BytesIO(few.files["evaluation/predictions.parquet"]))
    assert listed.equals(
        pq.read_table(io.BytesIO(whole.files["evaluation/predictions.parquet"])).slice(0, 16)
    )


def history_of(learner: Learner) -> list[dict[str, float]]:
    history = []
    while not learner.finished:
        history.append(without_time(learner.train_epoch()))
    return history


def test_shorter_epochs_train_on_the_same_rows(experiment: Experiment, prepared: Prepared) -> None:
    """Two passes in eight epochs: the same weights at the end of the passes, and the best epoch kept."""
    a_pass = Learner(experiment, prepared)
    whole = history_of(a_pass)
    short = override(experiment, {"training.epochs": 8, "training.epoch_rows": 14 * SIZE})
    learner = Learner(short, prepared)
    history = history_of(learner)
    assert [metrics["epoch"] for metrics in history] == list(range(1, 9))
    losses = [np.mean([metrics["train/loss"] for metrics in history[i : i + 4]]) for i in (0, 4)]
    assert len(whole) == 2
    best = max(history, key=lambda metrics: (metrics["validation/accuracy"], metrics["epoch"]))
    assert learner.monitor.best_epoch == best["epoch"]
    # Dropout and augmentation are drawn by epoch, so only about the same losses.
    assert losses == pytest.approx([metrics["train/loss"] for metrics in whole], abs=0.1)


def test_a_training_goes_on_within_a_shorter_epoch(
    experiment: Experiment, prepared: Prepared, tmp_path: Path
) -> None:
    short = override(experiment, {"training.epochs": 3, "training.epoch_rows": 30 * SIZE})
    expected = history_of(Learner(short, prepared))
    learner = Learner(short, prepared)
    history = []
    for number in itertools.count():
        if learner.finished:
            break
        if learner.train_part(0.0):
            history.append(without_time(learner.train_epoch()))
        (tmp_path / str(number)).mkdir()
        learner.save(tmp_path / str(number))
        learner = Learner(short, prepared)
        learner.load(tmp_path / str(number))
    assert history == expected and len(history) == 3


def test_a_budget_of_rows_ends_within_an_epoch(experiment: Experiment, prepared: Prepared) -> None:
    """Of a schedule too: its rate falls to 0 there."""
    few = override(
        experiment, {"training.max_rows": 442 + 14 * SIZE - 1, "training.schedule": "cosine"}
    )
    learner = Learner(few, prepared)
    history = history_of(learner)
    assert [metrics["epoch"] for metrics in history] == [1, 2]
    steps = learner.fit.take_points()
    assert (steps[-1].step, steps[-1].rows) == (70, 442 + 14 * SIZE)
    assert steps[-1].learning_rate < 0.01 * steps[0].learning_rate


def test_rows_that_no_training_reaches_are_refused(
    experiment: Experiment, prepared: Prepared
) -> None:
    check_prepared(override(experiment, {"training.max_rows": 500}), prepared)
    with pytest.raises(ConfigError, match="max_rows 5,000 would change nothing: 2 epochs of 442"):
        check_prepared(override(experiment, {"training.max_rows": 5000}), prepared)
    recorded = override(experiment, {"training.max_rows": 5000})
    (note,) = check_prepared(recorded, prepared, recorded=True)
    assert "max_rows 5,000 would change nothing" in note


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_budget_of_minutes_ends_within_an_epoch_which_is_evaluated(
    in_parts: bool, experiment: Experiment, prepared: Prepared, tmp_path: Path
) -> None:
    learner = Learner(override(experiment, {"training.max_minutes": 1e-9}), prepared)
    assert not in_parts or learner.train_part(60.0)
    metrics = learner.train_epoch()
    assert "validation/accuracy" in metrics and metrics["epoch"] == 1
    assert metrics["data/bytes"] == 16 * SIZE * SPEC.num_bytes  # the steps before the first look
    assert learner.finished and learner.best_weights
    learner.save(tmp_path)
    again = Learner(override(experiment, {"training.max_minutes": 1e-9}), prepared)
    again.load(tmp_path)
    assert again.finished


def test_an_epoch_of_hours_is_noted_with_a_way_to_evaluate_more_often(
    experiment: Experiment,
) -> None:
    text = describe_long_epochs(experiment, 10_000_000, 1000.0)
    assert text is not None and "takes about 167 minutes" in text
    assert "training.epoch_rows=600000 evaluates every ten minutes" in text
    assert describe_long_epochs(experiment, 500_000, 1000.0) is None


def test_a_finished_run_is_judged_by_its_own_evaluation(
    prepared: Prepared, experiment: Experiment
) -> None:
    learner = Learner(experiment, prepared)
    with torch.no_grad():  # a net that says "no" whatever it sees
        learner.net.body.output.weight.zero_()  # type: ignore[operator, union-attr]
        learner.net.body.output.bias.copy_(torch.tensor([1.0, 0.0]))  # type: ignore[operator, union-attr]
    model = evaluate_best(experiment, prepared, save(cpu_state(learner.net)))
    assert model.metrics["baseline/linear/accuracy"] > 0.9
    result = TrainResult(run_id="r", epochs=1, best_epoch=1, metrics=model.metrics)
    verdicts = judge_run(experiment, result, [], model, {"validation": 50})
    assert [text.split(":")[0] for text in verdicts] == [
        "The net is no better than the baseline linear",
        "1 class is never predicted",
    ]


def test_the_mean_of_the_last_epochs_is_evaluated_and_kept(
    experiment: Experiment, prepared: Prepared
) -> None:
    changes = {"training.swa_start": 0.5, "training.epochs": 4, "training.monitor": "train/loss"}
    chosen = override(experiment, changes | {"training.mode": "min"})
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in Learner(chosen, prepared).net.modules())
    learner = Learner(chosen, prepared)
    while not learner.finished:
        metrics = learner.train_epoch()
    kept = learner._weights()
    assert any(not torch.equal(v, kept[n]) for n, v in cpu_state(learner.net).items())
    learner.net.load_state_dict(kept)
    measured = learner.evaluate("validation").metrics("validation")
    assert measured["validation/loss"] == pytest.approx(metrics["validation/loss"], rel=1e-5)


def test_a_few_batches_are_learned_by_heart_or_not(
    experiment: Experiment, prepared: Prepared
) -> None:
    plain = override(experiment, {"training.augment.flip": False, "net.dropout": 0})
    changes = {"training.overfit_batches": 2, "training.epochs": 12}
    chosen = override(plain, changes | {"training.learning_rate": 0.01})
    learner = Learner(chosen, prepared)
    first, second = ([batch.label.tolist() for batch in learner._train_batches()] for _ in range(2))
    assert first == second and [len(labels) for labels in first] == [SIZE, SIZE]
    history = history_of(learner)
    later = Learner(chosen, prepared)
    later.fit.epoch = 5
    assert [batch.label.tolist() for batch in later._train_batches()] == first
    result = TrainResult(run_id="r", epochs=12, best_epoch=1, metrics={})
    model = evaluate_best(chosen, prepared, save(cpu_state(learner.net)))
    (text,) = judge_run(chosen, result, history, model, {})
    assert text.startswith("The net learns 2 batches by heart: the training loss went from ")
    still = override(chosen, {"training.learning_rate": 1e-9})
    (text,) = judge_run(still, result, history_of(Learner(still, prepared)), model, {})
    assert text.startswith("The net does not learn 2 batches by heart")
    with pytest.raises(ConfigError, match="Set patience to 0"):
        override(chosen, {"training.patience": 3})


def test_two_batches_of_everything_are_marked(experiment: Experiment, prepared: Prepared) -> None:
    chosen = override(experiment, {"training.limit_batches": 2})
    learner = Learner(chosen, prepared)
    history = history_of(learner)
    assert learner.fit.take_points()[-1].rows == 2 * 2 * SIZE
    assert learner.evaluate("validation").count == 2 * SIZE
    (note,) = [n for n in check_prepared(chosen, prepared) if "limit_batches" in n]
    assert "The figures are no result of a net." in note
    assert tags(chosen, "train", "f")["workbench.partial"] == "training.limit_batches 2"
    assert "workbench.partial" not in tags(experiment, "train", "f")
    result = TrainResult(run_id="r", epochs=2, best_epoch=1, metrics={})
    model = evaluate_best(chosen, prepared, save(cpu_state(learner.net)))
    assert json.loads(model.files["evaluation/validation.json"])["rows"] == 2 * SIZE
    assert "no result of a net" in judge_run(chosen, result, history, model, {})[0]
    with pytest.raises(ConfigError, match="limit_batches 50 would change nothing: no split has"):
        check_prepared(override(experiment, {"training.limit_batches": 50}), prepared)
    with pytest.raises(ConfigError, match="a sweep compares figures, and those of a few"):
        check_space(override(digits_sweep(), {"training.limit_batches": 2}))


def test_a_profile_is_recorded_and_comes_with_advice(
    experiment: Experiment, prepared: Prepared, tmp_path: Path
) -> None:
    chosen = override(experiment, {"training.profile": True})
    learner = Learner(chosen, prepared)
    learner.train_part(0.0)
    history = history_of(learner)
    for metrics in history:
        shares = {name: value for name, value in metrics.items() if name.startswith("profile/")}
        assert sum(shares.values()) == pytest.approx(1) and shares["profile/evaluation"] > 0
    result = TrainResult(run_id="r", epochs=2, best_epoch=1, metrics=history[0])
    model = evaluate_best(chosen, prepared, save(cpu_state(learner.net)))
    *_, text = judge_run(chosen, result, history, model, {"validation": 50})
    assert text.startswith("Time of an epoch: data ")
