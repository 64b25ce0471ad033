"""The training loss by step: few points, each the mean over its part, whatever interrupts it."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator

import pytest
import torch

from nets import CNNConfig, DivergedError, TensorSpec, TrainingConfig, build
from nets.batches import Batch
from nets.fit import Fit
from nets.step_losses import StepPoint, steps_a_point

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
STEPS, SIZE = 10, 4


def start(**settings: object) -> Fit:
    torch.manual_seed(0)
    config = TrainingConfig(epochs=3, batch_size=SIZE, **settings)  # type: ignore[arg-type]
    return Fit(build(CNNConfig(), SPEC, 3, seed=1), config, steps_per_epoch=STEPS)


def rows(first: int = 0, stop: int = STEPS, bad: int | None = None) -> Iterator[Batch]:
    for number in range(first, stop):
        generator = torch.Generator().manual_seed(number)
        features = torch.randint(0, 255, (SIZE, 1, 8, 8), generator=generator).to(torch.uint8)
        weight = torch.full((SIZE,), math.nan if number == bad else 1.0)
        yield Batch(features, torch.arange(SIZE) % 3, weight=weight)


@pytest.mark.parametrize(
    ("points", "epochs", "steps", "expected"),
    [
        (None, 1, 100, 1),
        (None, 1, 1000, 5),
        (None, 20, 1001, 6),  # at most 200 an epoch
        (None, 100, 1000, 25),  # at most 4,000 in all
        (None, 10_000, 1000, 1000),
        (10, 1, 1000, 100),
        (0, 1, 1000, 0),
    ],
)
def test_how_many_steps_a_point_has(
    points: int | None, epochs: int, steps: int, expected: int
) -> None:
    assert steps_a_point(TrainingConfig(epochs=epochs, loss_points=points), steps) == expected


def test_points_are_means_over_equal_parts() -> None:
    every, some = start(loss_points=STEPS), start(loss_points=3)
    losses: list[StepPoint] = []
    means: list[StepPoint] = []
    for _ in range(2):
        metrics = every.train_epoch(rows())
        losses += every.take_points()
        some.train_epoch(rows())
        means += some.take_points()
    assert [point.step for point in losses] == list(range(1, 21))
    assert [point.rows for point in losses] == [SIZE * step for step in range(1, 21)]
    assert [point.step for point in means] == [4, 8, 10, 14, 18, 20]
    for start_, point in zip((0, 4, 8, 10, 14, 18), means, strict=True):
        part = [one.loss for one in losses[start_ : point.step]]
        assert point.loss == pytest.approx(sum(part) / len(part), rel=1e-6)
    last = [one.loss for one in losses[STEPS:]]
    assert metrics["train/loss"] == pytest.approx(sum(last) / STEPS, rel=1e-6)
    seconds = [point.seconds for point in losses]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0 and seconds[-1] <= every.seconds
    assert every.take_points() == []


def test_a_training_that_goes_on_within_a_part_gives_the_same_points() -> None:
    whole = start(loss_points=2)
    whole.train_epoch(rows())
    expected = whole.take_points()
    first = start(loss_points=2)
    first.train_steps(rows(0, 7))
    points = first.take_points()
    again = start(loss_points=2)
    again.load_state_dict(first.state_dict())
    again.train_epoch(rows(7))
    points += again.take_points()
    assert [point._replace(seconds=0) for point in points] == [
        point._replace(seconds=0) for point in expected
    ]
    assert points[1].seconds > points[0].seconds


def test_loss_points_0_gives_no_points() -> None:
    fit = start(loss_points=0)
    fit.train_epoch(rows())
    assert fit.take_points() == []


def test_a_loss_that_diverges_leaves_its_last_steps_one_by_one() -> None:
    fit = start(loss_points=1)
    with pytest.raises(DivergedError) as raised:
        fit.train_epoch(rows(bad=6))
    error = pickle.loads(pickle.dumps(raised.value))  # as it comes from a worker
    assert [point.step for point in error.points] == [1, 2, 3, 4, 5, 6]
    assert all(math.isfinite(point.loss) for point in error.points)
