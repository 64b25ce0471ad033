"""A training goes on within an epoch with another number of workers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing

from nets import TrainingConfig
from nets.augment import AugmentConfig
from nets.config import override
from nets.spec import TensorSpec
from tests.workbench.small import digits
from workbench.bridge import Prepared, store_arrays
from workbench.experiments.experiment import Experiment
from workbench.training.learner import Learner
from workbench.training.ray_train import _gather, _replicate

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
ROWS, SIZE = 405, 8
STOP = 20
"""Steps of the second epoch before the workers change: in the middle of it."""


def make(folder: Path) -> tuple[Experiment, Prepared]:
    generator = np.random.default_rng(0)
    label = generator.integers(0, 2, ROWS)
    features = generator.integers(0, 100, (ROWS, *SPEC.shape)).astype(np.uint8)
    features[:, 0, :4] += (100 * label[:, None, None]).astype(np.uint8)
    rows = {"features": features, "label": label}
    prepared = store_arrays(
        {"train": rows, "validation": {name: values[:51] for name, values in rows.items()}},
        SPEC,
        labels=("no", "yes"),
        num_outputs=2,
        statistics=None,
        class_counts=tuple(np.bincount(label).tolist()),
    )
    # Plain descent: Adam makes a difference of rounding as large as a step.
    training = TrainingConfig(
        epochs=3,
        batch_size=SIZE,
        optimizer="sgd",
        learning_rate=0.02,
        augment=AugmentConfig(flip=True),
        resample="over",
        health=False,
        loss_points=10,
    )
    experiment = replace(
        digits(),
        net=replace(digits().net, dropout=0.2),
        preparation=replace(digits().preparation, method="none"),
        training=training,
    )
    return experiment, prepared


def train(
    rank: int, workers: int, folder: str, data: tuple[Experiment, Prepared], load: bool, stop: bool
) -> None:
    """A worker: to the end, or to the middle of the second epoch; rank 0 writes what it measured."""
    torch.set_num_threads(1)
    if workers > 1:
        torch.distributed.init_process_group(
            "gloo", f"file://{folder}/meet-{load}", rank=rank, world_size=workers
        )
    several: dict[str, Any] = {"wrap": _replicate, "gather": _gather} if workers > 1 else {}
    learner = Learner(*data, rank=rank, world_size=workers, **several)
    if load:
        learner.load(Path(folder))
    history, points = [], []
    while not learner.finished:
        if stop and learner.epoch == 1:
            batches = learner._train_batches()
            learner.fit.train_steps(next(batches) for _ in range(STOP))
            points += learner.fit.take_points()
            break
        history.append(learner.train_epoch())
        points += learner.fit.take_points()
    if rank == 0:
        if stop:
            learner.save(Path(folder))
        losses = [[point.step, point.rows, point.loss] for point in points]
        name = f"{'second' if load else 'first'}.json"
        (Path(folder) / name).write_text(json.dumps([history, losses]))
    if workers > 1:
        torch.distributed.destroy_process_group()


def run(workers: int, *arguments: Any) -> None:
    if workers == 1:
        train(0, 1, *arguments)
    else:
        torch.multiprocessing.spawn(train, (workers, *arguments), nprocs=workers)


def read(folder: Path, name: str) -> tuple[list[dict[str, float]], list[list[float]]]:
    history, losses = json.loads((folder / name).read_text())
    return history, losses


@pytest.mark.long
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (3, 2)])
def test_losses_are_those_of_an_unbroken_training(
    before: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    data = make(tmp_path)
    for name in ("whole", "changed"):
        (tmp_path / name).mkdir()
    run(1, str(tmp_path / "whole"), data, False, False)
    run(before, str(tmp_path / "changed"), data, False, True)
    run(after, str(tmp_path / "changed"), data, True, False)
    expected, expected_points = read(tmp_path / "whole", "first.json")
    first, points = read(tmp_path / "changed", "first.json")
    second, more = read(tmp_path / "changed", "second.json")
    history = first + second
    assert [metrics["epoch"] for metrics in history] == [1, 2, 3]
    for metrics, true in zip(history, expected, strict=True):
        for name in ("train/loss", "validation/loss"):
            assert metrics[name] == pytest.approx(true[name], rel=2e-4), name
        for name in ("train/accuracy", "validation/accuracy"):
            assert metrics[name] == pytest.approx(true[name], abs=0.01), name
    assert [point[:2] for point in points + more] == [point[:2] for point in expected_points]
    losses = [point[2] for point in points + more]
    assert losses == pytest.approx([point[2] for point in expected_points], rel=2e-3)


def test_settings_act_on_two_workers_as_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    experiment, prepared = make(tmp_path)
    settings = {
        "training.epochs": 2,
        "training.accumulate": 2,
        "training.swa_start": 0.4,
        "training.freeze": {"body.blocks": 1},
        "training.layer_rates": {"body.output": 2.0},
        "training.schedule": "one_cycle",
        "training.profile": True,
    }
    data = (override(experiment, settings), prepared)
    histories = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        run(workers, str(folder), data, False, False)
        histories.append(read(folder, "first.json")[0])
    for alone, together in zip(*histories, strict=True):
        assert {*alone} == {*together} and "profile/forward" in alone
        for name in ("train/loss", "validation/loss", "learning_rate"):
            assert together[name] == pytest.approx(alone[name], rel=5e-4), name
