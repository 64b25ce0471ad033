"""Which epoch is the best: the one rule, for the weights that are kept and wherever they are named."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeVar

from nets.errors import ConfigError

Mode = Literal["max", "min"]
LOWER_IS_BETTER = ("loss", "mse", "mae", "calibration_error")
"""Metrics, without their split, that nobody wants more of."""
E = TypeVar("E", bound=float)


def best_epoch(values: Iterable[tuple[E, float]], mode: Mode) -> tuple[E, float] | None:
    """The epoch with the best value, and the value. Of equals the latest: it has learned longer.

    Args:
        values: pairs of epoch and value, in any order; NaN is never the best.
        mode: whether the highest value is the best, or the lowest.

    Returns:
        None where there is no value, or only NaN.
    """
    sign = -1.0 if mode == "min" else 1.0
    return max(
        ((epoch, value) for epoch, value in values if not math.isnan(value)),
        key=lambda pair: (sign * pair[1], pair[0]),
        default=None,
    )


def check_mode(metric: str, mode: str) -> None:
    """Refuse to look for the highest value of what is better when it is lower.

    Raises:
        ConfigError: it is asked for.
    """
    name = metric.rpartition("/")[2]
    if mode == "max" and name in LOWER_IS_BETTER:
        raise ConfigError(
            f"a {name} is better when it is lower, got {metric!r} with mode 'max'. Set mode to min."
        )
