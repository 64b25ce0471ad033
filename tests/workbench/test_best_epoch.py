"""The best epoch: one rule, in whatever names one."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from nets import TrainingConfig, best_epoch
from nets.best import Mode
from nets.monitor import Monitor
from tests.workbench.small import prepared
from tracking import MemoryRecorder, Run
from workbench.experiments.experiment import Experiment, SweepConfig
from workbench.progress import Silent
from workbench.sweeps.recorder import TrialRecorder
from workbench.training.driver import _result
from workbench.training.evaluation import TrainedModel
from workbench.ui import store

PREPARED = prepared(train=100)

NAN = math.nan
CASES: list[tuple[Mode, list[float], int]] = [
    ("max", [0.5, 0.7, 0.7, 0.6], 3),
    ("min", [0.5, 0.2, 0.3, 0.2, 0.4], 4),
    ("max", [1.0, 1.0, 1.0], 3),
    ("max", [NAN, 0.5, NAN, 0.5, NAN], 4),
    ("min", [NAN, 2.0, 1.0], 3),
    ("min", [3.0, 2.0, 1.0, 2.0], 3),
    ("max", [-math.inf, -1.0, -1.0], 3),
]
every_case = pytest.mark.parametrize(("mode", "values", "epoch"), CASES)


@every_case
def test_of_equals_the_latest(mode: Mode, values: list[float], epoch: int) -> None:
    points = list(enumerate(values, 1))
    assert best_epoch(points, mode) == (epoch, values[epoch - 1])
    assert best_epoch(reversed(points), mode) == (epoch, values[epoch - 1])


@pytest.mark.parametrize("values", [[], [NAN], [NAN, NAN]])
def test_without_a_value_there_is_none(values: list[float]) -> None:
    assert best_epoch(enumerate(values), "max") is None


@every_case
def test_all_that_name_a_best_epoch_name_the_same(
    mode: Mode, values: list[float], epoch: int
) -> None:
    metric = "validation/accuracy" if mode == "max" else "validation/loss"
    training = TrainingConfig(monitor=metric, mode=mode)
    sweep = SweepConfig(metric=metric, mode=mode)
    experiment = Experiment(name="x", training=training, sweep=sweep)
    history = [{metric: value, "epoch": float(at)} for at, value in enumerate(values, 1)]
    named = {
        "kept by the learner": _by_monitor(training, history),
        "result of a training": _result(
            experiment.training, "r", history, TrainedModel(metrics={}, model={})
        ).best_epoch,
        "trial of a sweep": _by_sweep(experiment, history),
        "page of a run": _by_page(training, history, metric),
        "last step of best/...": _by_tracking(history, metric),
    }
    assert named == dict.fromkeys(named, epoch)


def _by_monitor(training: TrainingConfig, history: list[dict[str, float]]) -> int:
    monitor, kept = Monitor(training), 0
    for metrics in history:
        if monitor.update(int(metrics["epoch"]), metrics):
            kept = int(metrics["epoch"])
    assert monitor.best_epoch == kept
    return kept


def _by_sweep(experiment: Experiment, history: list[dict[str, float]]) -> int:
    variants: Any = SimpleNamespace(of=lambda settings: PREPARED)
    trial: Any = SimpleNamespace(trial_id="a", config={}, checkpoint=None)
    recorder = TrialRecorder(
        experiment,
        MemoryRecorder(),
        Silent(),
        sweep_run="s",
        variants=variants,
        total=1,
        earlier=[],
    )
    with recorder.written:
        recorder.on_trial_start(0, [], trial)
        recorder.on_trial_result(0, [], trial, {"epochs": history, "metrics": history[-1]})
    return int(recorder.trials["a"].metrics["epoch"])


def _by_page(
    training: TrainingConfig, history: list[dict[str, float]], metric: str
) -> float | None:
    params = {"training.monitor": training.monitor, "training.mode": training.mode}
    run = store.from_tracking(
        Run(run_id="r", name="r", experiment="x", status="FINISHED", params=params)
    )
    return run.best_epoch({metric: [(m["epoch"], m[metric]) for m in history]})


def _by_tracking(history: list[dict[str, float]], metric: str) -> int:
    recorder = MemoryRecorder()
    run_id = recorder.start("x", "r", params={}, tags={})
    for metrics in history:
        recorder.metrics(run_id, metrics, int(metrics["epoch"]))
    return max(recorder.runs[run_id].history[f"best/{metric}"])
