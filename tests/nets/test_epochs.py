"""Epochs that are not a pass over the rows: each row once a pass, and an end where it was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from nets import ConfigError, TrainingConfig
from nets.epochs import Stretch, plan_epochs


def batches_of(rows: int, **settings: Any) -> list[tuple[int, int]]:
    """Pass and number of every batch of a training, in order."""
    plan = plan_epochs(TrainingConfig(batch_size=10, **settings), rows)
    stretches = [one for epoch in range(settings["epochs"]) for one in plan.stretches(epoch, 0)]
    return [(number, first + i) for number, first, count in stretches for i in range(count)]


@pytest.mark.parametrize("epoch_rows", [10, 25, 30, 95, 100, 170, 450])
def test_epochs_follow_each_other_through_the_passes(epoch_rows: int) -> None:
    plain = [(number, batch) for number in range(60) for batch in range(10)]
    steps = 12 * -(-epoch_rows // 10)
    assert batches_of(95, epochs=12, epoch_rows=epoch_rows) == plain[:steps]


def test_an_epoch_is_a_pass_unless_said_otherwise() -> None:
    plan = plan_epochs(TrainingConfig(batch_size=10, epochs=3), 95)
    assert (plan.steps_per_pass, plan.steps_per_epoch, plan.num_steps, plan.rows) == (
        10,
        10,
        30,
        95,
    )
    assert list(plan.stretches(2, 4)) == [Stretch(2, 4, 6)]


def test_max_rows_ends_within_an_epoch() -> None:
    plan = plan_epochs(TrainingConfig(batch_size=10, epochs=3, max_rows=95 + 31), 95)
    assert plan.num_steps == 14
    assert list(plan.stretches(1, 0)) == [Stretch(1, 0, 4)]
    assert list(plan.stretches(2, 0)) == []


def test_a_schedule_needs_a_number_of_steps() -> None:
    with pytest.raises(ConfigError, match="Set max_rows in its place"):
        TrainingConfig(schedule="cosine", max_minutes=3)
