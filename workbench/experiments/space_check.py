"""Whether the settings of a space are there, and take the values that they are searched over."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nets.errors import ConfigError
from workbench.experiments.changes import is_inside, overlap, override
from workbench.experiments.combinations import Space, combinations, with_conditions
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Uniform


def check_paths(experiment: Experiment) -> None:
    """Refuse a space that names what is not there, gives a value that breaks a rule, or has conditions
    that cannot hold.

    Raises:
        ConfigError: what is wrong, with what there is.
    """
    space = experiment.sweep.space
    _check_names(space)
    for path, parameter in space.items():
        for settings in contexts(space, path):
            _try(experiment, path, settings)
            if isinstance(parameter, Uniform):
                _check_takes_fractions(experiment, path, parameter, settings)


def _check_names(space: Space) -> None:
    for path in space:
        if path.startswith("sweep."):
            raise ConfigError(f"a sweep cannot search its own setting {path!r}.")
    for path, other in itertools.combinations(space, 2):
        if overlap(path, other):
            raise ConfigError(
                f"{path!r} and {other!r} name the same value, and a trial has one. Search one of them."
            )


def contexts(space: Space, path: str) -> Iterator[Mapping[str, Any]]:
    """The settings of a trial that decide about a path, with each of its values."""
    wholes = [other for other in space if is_inside(path, other)]
    for settings in combinations(with_conditions(space, [path, *wholes])):
        if path in settings:
            yield settings


def _check_takes_fractions(
    experiment: Experiment, path: str, parameter: Uniform, settings: Mapping[str, Any]
) -> None:
    """Refuse a range of whole numbers: what is drawn of it lies between them."""
    between = parameter.low + (parameter.high - parameter.low) / math.pi
    try:
        override(experiment, {**settings, path: between})
    except ConfigError as error:
        few = np.linspace(parameter.low, parameter.high, 4).round().astype(int)
        raise ConfigError(
            f"{path!r} cannot have every value from {parameter.low:g} to {parameter.high:g}: {error} "
            f"List values: --space {path}={','.join(map(str, dict.fromkeys(few.tolist())))}."
        ) from None


def _try(experiment: Experiment, path: str, settings: Mapping[str, Any]) -> None:
    try:
        override(experiment, settings)
    except ConfigError as error:
        others = {other: value for other, value in settings.items() if other != path}
        wholes = [other for other in others if is_inside(path, other)]
        if not wholes or not str(error).startswith(("Unknown setting", path.partition("[")[0])):
            raise
        beside = ", ".join(f"{other} {value}" for other, value in others.items())
        raise ConfigError(
            f"{error} It is searched beside {beside}. Say where it belongs: --space "
            f'"{path}=... if {wholes[0]}=...".'
        ) from None
