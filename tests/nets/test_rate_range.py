from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nets import CNNConfig, ConfigError, TensorSpec, TrainingConfig, build
from nets.batches import Batch
from nets.cnn import BlockConfig
from nets.fit import Fit, batches, num_batches
from nets.net import Net
from nets.rate_range import Smoothed, measure_rates, spaced_rates, suggest

RATES = spaced_rates(1e-7, 10.0, 161)  # 20 a decade


def descend(curvature: float) -> list[float]:
    """Losses of gradient descent on curvature * x^2 / 2 from 1, whose best rate is 1 / curvature."""
    x, losses = 1.0, []
    for rate in RATES:
        losses.append(curvature * x**2 / 2)
        x -= rate * curvature * x
        if losses[-1] > 1e3 * losses[0]:
            break
    return losses


@pytest.mark.parametrize("curvature", [1.0, 10.0, 1000.0])
def test_on_a_quadratic_the_suggestion_is_where_the_summed_rates_reach_half_the_best(
    curvature: float,
) -> None:
    losses = descend(curvature)
    found = suggest(RATES[: len(losses)], losses, 13)
    assert found is not None
    # Loss exp(-2 a sum of rates) falls fastest in the logarithm where 2 a sum = 1, and the sum of a
    # geometric series is rate / (1 - 1 / ratio). Two steps of the rates are for the width of the line.
    ratio = RATES[1] / RATES[0]
    expected = (1 - 1 / ratio) / (2 * curvature)
    assert abs(math.log(found / expected, ratio)) <= 2
    assert found < 1 / curvature


def test_a_steeper_quadratic_has_a_rate_as_many_times_lower() -> None:
    found = [suggest(RATES[: len(descend(a))], descend(a), 13) for a in (1.0, 10.0, 100.0)]
    assert found[0] is not None
    assert found == pytest.approx([found[0], found[0] / 10, found[0] / 100], rel=1e-6)


def test_noise_of_single_batches_moves_the_suggestion_little() -> None:
    clean = np.array(descend(10.0))
    exact = suggest(RATES[: len(clean)], clean.tolist(), 13)
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.1 * clean[0], len(clean))
        found = suggest(RATES[: len(clean)], (clean + noise).tolist(), 13)
        assert exact is not None
        assert found is not None
        assert 1 / 2.5 < found / exact < 2.5


def test_where_the_loss_does_not_fall_nothing_is_suggested() -> None:
    rates = spaced_rates(1e-7, 10.0, 100)
    for seed in range(50):
        noise = np.random.default_rng(seed).normal(0, 1, 100)
        assert suggest(rates, (5 + noise).tolist(), 8) is None
        assert suggest(rates, (5 + noise / 10 + np.linspace(0, 3, 100)).tolist(), 8) is None
    assert suggest(rates[:10], [1.0] * 10, 8) is None  # too few for a line


def test_what_falls_after_the_lowest_mean_is_no_suggestion() -> None:
    """A loss that has jumped up comes down again, and faster than it fell."""
    x = np.arange(100)
    losses = np.where(x < 50, 2 - np.clip((x - 20) / 30, 0, 1), 0.0)
    losses = np.where(x >= 50, np.where(x < 65, 1 + (x - 50) / 3, 6 - (x - 65) / 3), losses)
    losses = np.maximum(losses, 1.0)
    rates = spaced_rates(1e-7, 10.0, 100)
    found = suggest(rates, losses[:75].tolist(), 8)
    assert found is not None
    assert rates[20] < found < rates[50]


def test_the_smoothed_loss_has_risen_at_four_times_its_lowest_value() -> None:
    smoothed = Smoothed()
    assert not any(smoothed.has_risen(loss) for loss in [1.0] * 50)
    assert not smoothed.has_risen(20.0)  # a tenth of it counts: the mean is 2.9
    assert smoothed.has_risen(20.0)


@pytest.mark.parametrize(
    ("low", "high", "steps", "message"),
    [
        (0.0, 1.0, 100, "rise from one above 0"),
        (1.0, 0.1, 100, "got 1 to 0.1"),
        (1e-7, math.inf, 100, "rise"),
        (math.nan, 1.0, 100, "rise"),
        (1e-7, 10.0, 19, "at least 20"),
    ],
)
def test_rates_that_do_not_rise_are_refused(
    low: float, high: float, steps: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        spaced_rates(low, high, steps)


SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")


@pytest.fixture(scope="module")
def digits() -> Batch:
    loaded = load_digits()
    pictures = torch.from_numpy((loaded.images * 15).astype("uint8"))[:, None]
    return Batch(pictures, torch.from_numpy(loaded.target))


def small() -> Net:
    config = CNNConfig(blocks=(BlockConfig(channels=8),), dense=(32,))
    return build(config, SPEC, 10, seed=0)


def endless(rows: Batch) -> itertools.chain[Batch]:
    return itertools.chain.from_iterable(
        batches(rows, 64, seed=0, epoch=epoch) for epoch in itertools.count()
    )


def accuracy(rows: Batch, optimizer: str, rate: float) -> float:
    """After two passes, on the rows themselves."""
    config = TrainingConfig(optimizer=optimizer, learning_rate=rate, health=False)  # type: ignore[arg-type]
    fit = Fit(small(), config, steps_per_epoch=num_batches(len(rows.label), 64))
    for epoch in range(2):
        fit.train_epoch(batches(rows, 64, seed=0, epoch=epoch))
    rows_in_order = batches(rows, 512, seed=0, epoch=0, shuffle=False)
    return fit.evaluate(rows_in_order).metrics("x")["x/accuracy"]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_on_digits_the_suggestion_learns_more_than_a_thirtieth_or_thirty_times_of_it(
    digits: Batch, optimizer: str
) -> None:
    # One cycle of ten epochs at 5: none of it has a part.
    config = TrainingConfig(optimizer=optimizer, learning_rate=5.0, schedule="one_cycle", epochs=10)  # type: ignore[arg-type]
    rates = spaced_rates(1e-7, 10.0, 100)
    curve = measure_rates(small(), config, endless(digits), rates)
    assert curve.rates == rates[: len(curve.losses)]
    assert curve.suggestion in rates
    assert curve.suggestion is not None
    reached = accuracy(digits, optimizer, curve.suggestion)
    assert reached > 0.85
    assert reached > accuracy(digits, optimizer, curve.suggestion / 30) + 0.05
    assert reached > accuracy(digits, optimizer, curve.suggestion * 30) + 0.05


def test_the_same_settings_give_the_same_losses_and_a_step_has_its_rate(digits: Batch) -> None:
    rates = spaced_rates(1e-3, 1.0, 20)
    one, two = (measure_rates(small(), TrainingConfig(), endless(digits), rates) for _ in range(2))
    assert one == two
    # By hand: a training at a constant first rate begins with the same losses, and parts then.
    config = TrainingConfig(learning_rate=1e-3, loss_points=20, health=False)
    fit = Fit(small(), config, steps_per_epoch=20)
    fit.train_steps(itertools.islice(endless(digits), 20))
    losses = [point.loss for point in fit.take_points()]
    assert losses[:2] == list(one.losses[:2])
    assert losses[2] != one.losses[2]


def test_it_ends_where_the_loss_has_risen_or_is_not_finite(digits: Batch) -> None:
    sgd = TrainingConfig(optimizer="sgd", momentum=0.0, nesterov=False)
    high = spaced_rates(1.0, 1e30, 100)
    curve = measure_rates(small(), sgd, endless(digits), high)
    assert curve.end in ("risen", "not finite")
    assert len(curve.losses) < 100
    assert all(map(math.isfinite, curve.losses))
    nowhere = digits._replace(features=digits.features.float() * math.nan)
    floats = build(CNNConfig(blocks=(), dense=(4,)), TensorSpec(kind="image", shape=(1, 8, 8)), 10)
    curve = measure_rates(floats, sgd, endless(nowhere), high)
    assert (curve.end, curve.rates, curve.losses, curve.suggestion) == ("not finite", (), (), None)


def test_fewer_batches_than_rates_are_refused(digits: Batch) -> None:
    few = itertools.islice(endless(digits), 7)
    with pytest.raises(ConfigError, match="20 learning rates need as many batches, got 7"):
        measure_rates(small(), TrainingConfig(), few, spaced_rates(1e-7, 1e-3, 20))
