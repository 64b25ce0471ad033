"""The settings of a space: how many there are, all of them, and draws."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workbench.experiments.combinations import combinations, is_active, key_of, ordered, plain
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.results import Settings
from workbench.sweeps.folds import cross_with_folds, searched

_COUNTED = 20_000
"""A space with conditions and more settings than this is taken for one without an end."""
_TRIES = 1000
"""Draws in a row that may be there already, before the rest of a space is listed."""


def count_settings(config: SweepConfig) -> int | None:
    """How many different settings the space has, without folds and repeats; None: it has a range, or
    too many to count."""
    space = searched(config)
    if any(isinstance(parameter, Uniform) for parameter in space.values()):
        return None
    if any(parameter.only_if for parameter in space.values()):
        listed = list(itertools.islice(combinations(space), _COUNTED + 1))
        return None if len(listed) > _COUNTED else len({key_of(one) for one in listed})
    return math.prod(len({key_of(plain(v)) for v in one.values}) for one in space.values())


def grid(config: SweepConfig) -> list[Settings]:
    """Every combination of the listed values once, the last path varying fastest."""
    different = {key_of(one): one for one in combinations(searched(config))}
    return cross_with_folds(list(different.values()), config)


def random_draws(config: SweepConfig) -> list[Settings]:
    """`num_trials` draws, the same for the same seed; each with every fold and seed there is.

    No setting is drawn twice: a space with fewer settings gives each of them once.
    """
    generator = np.random.default_rng(config.seed)
    space = ordered(searched(config))

    def draw() -> Settings:
        return draw_settings(space, generator)

    return cross_with_folds(_draw_different(config, draw), config)


def even_draws(config: SweepConfig) -> list[Settings]:
    """The same along a scrambled Sobol sequence (Owen 1998): it leaves no large gaps."""
    from scipy.stats import qmc

    space = ordered(searched(config))
    sequence = qmc.Sobol(len(space), scramble=True, rng=config.seed)

    def draw() -> Settings:
        return place(space, dict(zip(space, sequence.random(1)[0].tolist(), strict=True)))

    return cross_with_folds(_draw_different(config, draw), config)


def _draw_different(config: SweepConfig, draw: Callable[[], Settings]) -> list[Settings]:
    size = count_settings(config)
    wanted = min(config.num_trials, size or config.num_trials)
    by_key: dict[str, Settings] = {}
    in_a_row = 0
    while len(by_key) < wanted and in_a_row < _TRIES:
        settings = draw()
        before = len(by_key)
        by_key.setdefault(key_of(settings), settings)
        in_a_row = 0 if len(by_key) > before else in_a_row + 1
    if len(by_key) < wanted:
        for settings in combinations(searched(config)):
            by_key.setdefault(key_of(settings), settings)
    return list(by_key.values())[:wanted]


def draw_settings(
    space: Mapping[str, Choice | Uniform], generator: np.random.Generator
) -> Settings:
    """Settings drawn at random; the space is in the order of its conditions."""
    settings: Settings = {}
    for path, parameter in space.items():
        if is_active(parameter, settings):
            settings[path] = _draw(parameter, generator)
    return settings


def _draw(parameter: Choice | Uniform, generator: np.random.Generator) -> Any:
    if isinstance(parameter, Choice):
        return plain(parameter.values[int(generator.integers(len(parameter.values)))])
    if parameter.log:
        return math.exp(generator.uniform(math.log(parameter.low), math.log(parameter.high)))
    return float(generator.uniform(parameter.low, parameter.high))


def place(space: Mapping[str, Choice | Uniform], point: Mapping[str, float]) -> Settings:
    """The settings at a point of the unit cube; the space is in the order of its conditions."""
    settings: Settings = {}
    for path, parameter in space.items():
        if is_active(parameter, settings):
            settings[path] = _place(parameter, point[path])
    return settings


def _place(parameter: Choice | Uniform, share: float) -> Any:
    if isinstance(parameter, Choice):
        number = int(share * len(parameter.values))
        return plain(parameter.values[min(number, len(parameter.values) - 1)])
    low, high = parameter.low, parameter.high
    if parameter.log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)
