"""A task and what follows from it agree with what training does."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nets import (
    AutoencoderConfig,
    CNNConfig,
    Custom,
    Evaluation,
    RNNConfig,
    Task,
    TrainingConfig,
)
from tests.nets.test_custom_reconstruction import Blurs


def test_a_task_follows_from_the_net_and_the_labels() -> None:
    assert Task.of(CNNConfig(), has_classes=True) is Task.CLASSES
    assert Task.of(RNNConfig(), has_classes=False) is Task.VALUES
    assert Task.of(AutoencoderConfig(), has_classes=True) is Task.RECONSTRUCTION
    assert Task.by_loss(Custom(Blurs), object()) is Task.RECONSTRUCTION
    assert Task.by_loss(CNNConfig(), object()) is None


@pytest.mark.parametrize("task", Task)
def test_an_evaluation_has_the_metrics_of_its_task(task: Task) -> None:
    labels = torch.tensor([0, 1, 1]) if task.has_classes else torch.rand(3)
    width = {Task.CLASSES: 2, Task.VALUES: 1, Task.RECONSTRUCTION: 0}[task]
    evaluation = Evaluation(
        task=task,
        loss=0.5,
        count=3,
        total_weight=3.0,
        scores=torch.rand(3, width),
        labels=labels,
        losses=torch.rand(3),
    )
    expected = {f"validation/{name}" for name in ("loss", *task.metrics)}
    assert set(evaluation.metrics("validation")) == expected
    assert task.monitor in expected


@pytest.mark.parametrize("task", Task)
def test_its_losses_and_monitor_make_a_configuration(task: Task) -> None:
    for loss in task.losses:
        settings: dict[str, Any] = {"loss": loss, "monitor": task.monitor, "mode": task.mode}
        assert TrainingConfig(**settings).loss == loss


def test_the_defaults_are_those_of_classes() -> None:
    config, task = TrainingConfig(), Task.CLASSES
    assert (config.loss, config.monitor, config.mode) == (task.losses[0], task.monitor, task.mode)


def test_a_task_is_recorded_by_its_text() -> None:
    assert [str(task) for task in Task] == ["classes", "values", "reconstruction"]
