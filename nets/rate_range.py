"""The loss over the learning rate, and the rate that it suggests.

A net is trained while its rate rises exponentially (Smith 2017, "Cyclical learning rates for training
neural networks", section 3.3). Far too low a rate leaves the loss where it is, a good one lowers it, too
high a one raises it. As in fastai's `lr_find`, the rates end where the smoothed loss is four times its
lowest value.

The rate that is suggested is the one at which the loss falls fastest. fastai's `steep` takes the largest
difference of two neighbours of a running mean, and its `valley` a place within the longest fall.
A running mean lags behind the rates; here the slope at each rate is that of a least-squares line through
its neighbours on both sides. docs/recipes.md compares the three.

    rates = spaced_rates(1e-7, 10.0, 100)
    curve = measure_rates(net, config, batches, rates)
    curve.suggestion
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from nets.batches import Batch
from nets.errors import ConfigError, DivergedError
from nets.fit import Fit
from nets.net import Net
from nets.task import Task
from nets.training import TrainingConfig

End = Literal["risen", "not finite", "highest rate"]

FEWEST_STEPS = 20
"""With fewer rates a line through neighbours says nothing."""
_RISEN = 4.0
"""How many times its lowest value the smoothed loss may reach."""
_KEPT = 0.9
"""Share of the smoothed loss that a step keeps."""
_WINDOW = 12
"""A line goes through a rate and this part of all rates on either side: 17 of 100."""
_CLEAR = -4.0
"""A slope over its standard error that is no chance, even as the lowest of a hundred."""


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """The training loss at rising learning rates."""

    rates: tuple[float, ...]
    """Learning rate of each step that was taken."""
    losses: tuple[float, ...]
    """Loss of each step's batch, before its update."""
    suggestion: float | None
    """The rate at which the loss falls fastest; None: it does not clearly fall."""
    end: End
    """Why there is no further step: the loss had risen, was not finite, or all rates were tried."""


def spaced_rates(low: float, high: float, steps: int) -> tuple[float, ...]:
    """`steps` rates from `low` to `high`, each the same multiple of the one before.

    Raises:
        ConfigError: rates that do not rise from above 0, or too few steps.
    """
    if not (0 < low < high < math.inf):
        raise ConfigError(
            f"the learning rates rise from one above 0 to a higher one, got {low:g} to {high:g}."
        )
    if steps < FEWEST_STEPS:
        raise ConfigError(f"at least {FEWEST_STEPS} learning rates are needed, got {steps}.")
    return tuple(float(rate) for rate in np.geomspace(low, high, steps))


def measure_rates(
    net: Net,
    config: TrainingConfig,
    batches: Iterable[Batch],
    rates: Sequence[float],
    *,
    class_counts: Sequence[int] | None = None,
    task: Task | None = None,
) -> RateCurve:
    """Train `net` in place, one step at each rate, until its loss has risen or is not finite.

    Args:
        config: its optimizer, loss, augmentation and seed are used; not its learning rate, schedule
            and length.
        batches: at least one for each rate; epochs one after another where an epoch has fewer.
        rates: rising; from `spaced_rates`.
        class_counts: rows of each class in the training split, for `class_weights="balanced"`.
        task: what is learned; None: as the loss says. A loss of a person's own does not say it.

    Raises:
        ConfigError: too few batches, or settings that do not fit the net.
    """
    config = replace(
        config, health=False, loss_points=len(rates), callbacks=(), average=None
    )  # a loss for each step of a net that is thrown away
    fit = Fit(
        net,
        config,
        steps_per_epoch=len(rates),
        class_counts=class_counts,
        task=task,
        rate=lambda step: rates[step],
    )
    losses: list[float] = []
    smoothed = Smoothed()
    end: End = "highest rate"
    for batch in itertools.islice(batches, len(rates)):
        try:
            fit.train_steps([batch])
        except DivergedError:
            end = "not finite"
            break
        (point,) = fit.take_points()
        losses.append(point.loss)
        if smoothed.has_risen(point.loss):
            end = "risen"
            break
    if end == "highest rate" and len(losses) < len(rates):
        raise ConfigError(f"{len(rates)} learning rates need as many batches, got {len(losses)}.")
    tried = tuple(rates[: len(losses)])
    window = max(2, len(rates) // _WINDOW)
    return RateCurve(
        rates=tried, losses=tuple(losses), suggestion=suggest(tried, losses, window), end=end
    )


class Smoothed:
    """The mean of the losses so far, the last ones counting most."""

    def __init__(self) -> None:
        self._sum = self._weight = 0.0
        self._lowest = math.inf

    def has_risen(self, loss: float) -> bool:
        """Add a loss; whether the mean is now many times its lowest value."""
        self._sum = _KEPT * self._sum + (1 - _KEPT) * loss
        self._weight = _KEPT * self._weight + (1 - _KEPT)
        mean = self._sum / self._weight
        self._lowest = min(self._lowest, mean)
        return mean > _RISEN * self._lowest


class _Line(NamedTuple):
    """A line through the losses at neighbouring rates."""

    slope: float
    """Change of the loss with a tenfold rate."""
    is_clear: bool
    mean: float


def suggest(rates: Sequence[float], losses: Sequence[float], window: int) -> float | None:
    """The rate at which the loss falls fastest with the logarithm of the rate, before its lowest mean.

    Args:
        losses: (n,) finite, at `rates`.
        window: neighbours on either side that a line goes through.

    Returns:
        None where no fall stands out from the noise.
    """
    logs, values = np.log10(rates), np.asarray(losses, dtype=np.float64)
    lines = [
        _fit_line(
            logs[place - window : place + window + 1], values[place - window :][: 2 * window + 1]
        )
        for place in range(window, len(values) - window)
    ]
    if not lines:
        return None
    lowest = min(range(len(lines)), key=lambda place: lines[place].mean)
    place = min(range(lowest + 1), key=lambda place: lines[place].slope)
    return float(rates[place + window]) if lines[place].is_clear else None


def _fit_line(x: np.ndarray, y: np.ndarray) -> _Line:
    x, mean = x - x.mean(), float(y.mean())
    spread = float((x**2).sum())
    slope = float((x * (y - mean)).sum()) / spread
    left = float(((y - mean - slope * x) ** 2).sum())
    error = math.sqrt(left / (len(x) - 2) / spread)
    return _Line(slope, slope < _CLEAR * error, mean)
