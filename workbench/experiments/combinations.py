"""The settings that a space can give: which are searched beside which, and all combinations."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from nets.errors import ConfigError
from workbench.experiments.space import Choice, Uniform

Space = Mapping[str, Choice | Uniform]


def candidates(parameter: Choice | Uniform) -> tuple[Any, ...]:
    """The values, or the bounds, of a parameter."""
    if isinstance(parameter, Choice):
        return parameter.values
    return (parameter.low, parameter.high)


def plain(value: Any) -> Any:
    """Search algorithms take scalars; a list travels as JSON, which `override` reads back."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def key_of(settings: Any) -> str:
    """The same text for the same settings, in whatever order."""
    return json.dumps(settings, sort_keys=True)


def is_active(parameter: Choice | Uniform, settings: Mapping[str, Any]) -> bool:
    """Whether a trial with these settings has a value of the parameter."""
    return all(
        path in settings and any(_same(settings[path], value) for value in values)
        for path, values in parameter.only_if.items()
    )


def _same(value: Any, other: Any) -> bool:
    value, other = plain(value), plain(other)
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def ordered(space: Space) -> dict[str, Choice | Uniform]:
    """The space with each parameter after those that its conditions name, else in its own order.

    Raises:
        ConfigError: a condition names a setting that is not searched or has a range, a value that the
            setting does not have, or conditions go round in a circle.
    """
    for path, parameter in space.items():
        _check_conditions(path, parameter, space)
    done: dict[str, Choice | Uniform] = {}
    while len(done) < len(space):
        free = [
            p for p, one in space.items() if p not in done and one.only_if.keys() <= done.keys()
        ]
        if not free:
            circle = ", ".join(repr(path) for path in space if path not in done)
            raise ConfigError(f"the conditions of {circle} go round in a circle. Leave one out.")
        done[free[0]] = space[free[0]]
    return done


def _check_conditions(path: str, parameter: Choice | Uniform, space: Space) -> None:
    for other, values in parameter.only_if.items():
        parent = space.get(other)
        if not isinstance(parent, Choice):
            choices = [p for p, one in space.items() if isinstance(one, Choice) and p != path]
            what = "has a range" if parent else "is not searched"
            raise ConfigError(
                f"{path!r} is searched only if {other} has some value, but {other!r} {what}. A "
                f"condition names a searched setting with a list of values: {', '.join(choices) or 'there is none'}."
            )
        for value in values:
            if not any(_same(value, one) for one in parent.values):
                raise ConfigError(
                    f"{path!r} is searched only if {other} is {plain(value)!r}, which it never is: its "
                    f"values are {', '.join(str(plain(one)) for one in parent.values)}."
                )


def combinations(space: Space) -> Iterator[dict[str, Any]]:
    """Each different combination once, the last path varying fastest; of ranges, the bounds."""
    paths = ordered(space)
    if not any(parameter.only_if for parameter in paths.values()):
        values = [[plain(v) for v in candidates(parameter)] for parameter in paths.values()]
        for chosen in itertools.product(*values):
            yield dict(zip(paths, chosen, strict=True))
        return
    yield from _combine(list(paths.items()), {})


def _combine(
    left: list[tuple[str, Choice | Uniform]], settings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not left:
        yield settings
        return
    (path, parameter), *rest = left
    if not is_active(parameter, settings):
        yield from _combine(rest, settings)
        return
    for value in candidates(parameter):
        yield from _combine(rest, {**settings, path: plain(value)})


def with_conditions(space: Space, paths: list[str]) -> dict[str, Choice | Uniform]:
    """The part of a space that decides about these paths: they, and what their conditions name."""
    wanted, waiting = set[str](), list(paths)
    while waiting:
        path = waiting.pop()
        if path not in wanted:
            wanted.add(path)
            waiting += space[path].only_if
    return {path: parameter for path, parameter in space.items() if path in wanted}
