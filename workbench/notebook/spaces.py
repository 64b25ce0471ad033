"""What a sweep searches, as a person writes it in a cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nets.config import to_dict
from nets.errors import ConfigError
from workbench.experiments.space import Choice, Uniform


def read_space(space: Mapping[str, Any]) -> dict[str, Any]:
    """Path to parameter, as `sweep.space` takes it; a list of values becomes a choice.

    Raises:
        ConfigError: neither a list nor a parameter.
    """
    read = {}
    for path, values in space.items():
        if isinstance(values, (list, tuple, set, range)):
            values = Choice(values=tuple(values))
        if not isinstance(values, (Choice, Uniform)):
            raise ConfigError(
                f"space: {path} takes a list of values, Choice or Uniform, got {values!r}."
            )
        read[path] = to_dict(values)
    return read


def logarithmic(space: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths that are searched by their logarithm."""
    return tuple(p for p, values in space.items() if isinstance(values, Uniform) and values.log)
