"""Ray Train still has the private interfaces that `training.ray_train_private` uses."""

from __future__ import annotations

import inspect
from typing import Any

from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.worker_group import WorkerGroup

from workbench.training.ray_train_private import Trainer, _GroupRecorder


def make(kind: type[TorchTrainer]) -> Any:
    trainer = kind(
        lambda: None, scaling_config=ScalingConfig(num_workers=2), run_config=RunConfig()
    )
    trainer._recorder = _GroupRecorder("key")  # type: ignore[attr-defined]
    return trainer


def test_the_helpers_are_there_and_left_out() -> None:
    before = [type(one) for one in make(TorchTrainer)._create_default_callbacks()]
    after = [type(one) for one in make(Trainer)._create_default_callbacks()]
    dropped = [PlacementGroupCleanerCallback, DatasetsCallback]
    assert set(dropped) <= set(before)
    assert after == [kind for kind in before if kind not in dropped] + [_GroupRecorder]


def test_ray_train_calls_what_records_the_placement_group() -> None:
    source = inspect.getsource(WorkerGroup)
    for moment in ("after_worker_group_start", "after_worker_group_shutdown"):
        assert moment in source
    assert "placement_group_handle" in source
