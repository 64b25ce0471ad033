from __future__ import annotations

import math

import pytest

from nets.errors import ConfigError
from nets.monitor import Monitor
from nets.training import TrainingConfig


def follow(values: list[float], **settings: object) -> tuple[list[bool], Monitor]:
    monitor = Monitor(TrainingConfig(**settings))  # type: ignore[arg-type]
    metric = monitor.metric
    return [monitor.update(epoch, {metric: v}) for epoch, v in enumerate(values, 1)], monitor


def test_the_best_epoch_is_the_last_of_the_highest() -> None:
    better, monitor = follow([0.5, 0.7, 0.7, 0.6])
    assert better == [True, True, True, False]
    assert (monitor.best_epoch, monitor.best, monitor.should_stop) == (3, 0.7, False)


def test_a_loss_is_best_where_it_is_lowest_and_nan_is_never_best() -> None:
    values = [math.nan, 2.0, math.nan, 1.0, 3.0]
    better, monitor = follow(values, monitor="validation/loss", mode="min")
    assert better == [False, True, False, True, False]
    assert monitor.best_epoch == 4


@pytest.mark.parametrize(("length", "stops"), [(3, False), (4, True)])
def test_patience_counts_epochs_without_a_better_value(length: int, stops: bool) -> None:
    _, monitor = follow([0.5, 0.7, 0.6, 0.7][:length], patience=2)
    assert monitor.should_stop is stops


def test_state_survives_a_restart() -> None:
    _, monitor = follow([0.5, 0.7, 0.6], patience=2)
    resumed = Monitor(TrainingConfig(patience=2))
    resumed.load_state_dict(monitor.state_dict())
    assert not resumed.update(4, {"validation/accuracy": 0.65})
    assert resumed.should_stop and resumed.best_epoch == 2
    assert resumed.best == 0.7


def test_a_metric_that_is_not_there_is_refused_with_the_nearest() -> None:
    monitor = Monitor(TrainingConfig(monitor="validation/acuracy"))
    with pytest.raises(ConfigError, match="Did you mean 'validation/accuracy'"):
        monitor.update(1, {"validation/accuracy": 0.5, "train/loss": 1.0})


def test_a_loss_cannot_be_maximised() -> None:
    with pytest.raises(ConfigError, match="Set mode to min"):
        TrainingConfig(monitor="validation/loss")
