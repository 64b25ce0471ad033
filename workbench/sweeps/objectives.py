"""What trials are compared by: one metric, or several objectives and their Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workbench.experiments.space import SweepConfig

PARAMETERS = "parameters"
"""The objective that is no metric of an epoch: how many parameters the net has."""
RECORDED = "objective/"
"""Before the name of a further objective: the trial's metric with its value at the best epoch."""


def objectives(config: SweepConfig) -> dict[str, str]:
    """Name to `max` or `min`, the sweep's metric first."""
    return {config.metric: config.mode, **config.objectives}


def read_values(metrics: Mapping[str, float], config: SweepConfig) -> list[float] | None:
    """A trial's value of each objective; None where one is missing or NaN."""
    values = [metrics.get(name, math.nan) for name in objectives(config)]
    return None if any(map(math.isnan, values)) else values


def pareto_front(values: Sequence[Sequence[float] | None], modes: Sequence[str]) -> list[bool]:
    """Whether no other is at least as good in every objective and better in one.

    Args:
        values: of each trial, one for each objective; None: no result.
        modes: `max` or `min` for each objective.
    """
    signs = [1 if mode == "max" else -1 for mode in modes]
    points = [
        None if one is None else [sign * value for sign, value in zip(signs, one, strict=True)]
        for one in values
    ]
    return [
        point is not None
        and not any(other is not None and _dominates(other, point) for other in points)
        for point in points
    ]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)
