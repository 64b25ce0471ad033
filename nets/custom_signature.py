"""The signature of a person's own part: which arguments are settings, with types, defaults and help."""

from __future__ import annotations

import collections.abc
import inspect
import json
import numbers
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from nets.config import unknown
from nets.errors import ConfigError

_GIVEN = 2
"""Most arguments that the workbench gives: a net's spec and num_outputs, a function's outputs and targets."""
_SET_ELSEWHERE: dict[str, dict[str, str]] = {
    # Arguments of torch's classes that are no settings of theirs, and why. By name: commands that
    # only send a request do not import torch.
    "torch.optim.optimizer.Optimizer": {
        "lr": "it is training.learning_rate",
        "weight_decay": "it is training.weight_decay",
        **dict.fromkeys(
            ("foreach", "fused", "capturable", "differentiable"),
            "how a step is computed is chosen by the device",
        ),
    },
    "torch.optim.lr_scheduler.LRScheduler": {
        "last_epoch": "a resumed training goes on by itself",
        **dict.fromkeys(
            ("cycle_momentum", "base_momentum", "max_momentum"),
            "a schedule is of the learning rate alone",
        ),
    },
}

Part = Callable[..., Any]
"""A class or a function."""


@dataclass(frozen=True, kw_only=True)
class Argument:
    """An argument that is a setting."""

    annotation: Any
    default: Any
    meaning: str


def read_arguments(part: Part) -> dict[str, Argument]:
    """The arguments that are settings: all but those the workbench gives."""
    hints = _hints(_function_of(part))
    meanings = _meanings(part)
    arguments: dict[str, Argument] = {}
    for parameter in settings_of(part):
        default = parameter.default
        annotation = _without_objects(hints.get(parameter.name, Any))
        if annotation is Any and isinstance(default, bool | int | float | str):
            annotation = type(default)
        elif annotation is Any and isinstance(default, tuple):
            annotation = tuple[Any, ...]
        if problem := _find_problem(part, parameter, annotation):
            if default is parameter.empty:
                raise ConfigError(problem)
            continue  # it keeps its default
        meaning = meanings.get(parameter.name, "")
        arguments[parameter.name] = Argument(
            annotation=annotation, default=default, meaning=meaning
        )
    return arguments


def given_to(part: Part) -> list[str]:
    """Names of the arguments that the workbench gives: up to two, first and without a default."""
    settings = {parameter.name for parameter in settings_of(part)}
    return [p.name for p in _parameters(part) if p.name not in settings and p.kind in (0, 1)]


def settings_of(part: Part) -> list[inspect.Parameter]:
    """The parameters of a part that are settings."""
    listed = _parameters(part)
    rest = listed[_count_leading(part, listed) :]
    elsewhere = set_elsewhere(part)
    return [
        p
        for p in rest
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in elsewhere
    ]


def set_elsewhere(part: Part) -> Mapping[str, str]:
    """Arguments of an optimizer or a scheduler that are no settings of it, and why."""
    if inspect.isclass(part):
        for base in part.__mro__:
            if names := _SET_ELSEWHERE.get(_full_name(base)):
                return names
    return {}


def _full_name(cls: Any) -> str:
    return f"{getattr(cls, '__module__', '')}.{getattr(cls, '__qualname__', '')}"


def takes(part: Part, name: str) -> bool:
    """Whether a part has an argument of this name."""
    return any(p.name == name for p in _parameters(part))


def _count_leading(part: Part, listed: list[inspect.Parameter]) -> int:
    """How many arguments the workbench gives: of a function those that come first and have no default."""
    if set_elsewhere(part):
        return 1  # the parameters, or the optimizer
    first = [p for p in listed if p.kind in (0, 1)][:_GIVEN]
    if inspect.isclass(part):  # of other classes only a net takes something of the workbench
        named = "num_outputs" in [p.name for p in first]
        return _GIVEN if named and all(p.default is p.empty for p in first) else 0
    return next((i for i, p in enumerate(first) if p.default is not p.empty), len(first))


def _parameters(part: Part) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(part).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{part!r} has no signature that Python can read: {error}.") from error


def _hints(function: Any) -> dict[str, Any]:
    """The types of the arguments, without those that cannot be looked up here."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError):
        pass
    names = getattr(function, "__globals__", {})
    hints: dict[str, Any] = {}
    for name, text in getattr(function, "__annotations__", {}).items():
        single = type("_", (), {"__annotations__": {name: text}})
        try:
            hints |= typing.get_type_hints(single, names, include_extras=True)
        except (NameError, AttributeError, TypeError):
            continue  # of an import for type checkers: checked as any value
    return hints


def _without_objects(annotation: Any) -> Any:
    """A type without the alternatives that no setting can be: tensors and functions."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is numbers.Number:
        return int | float
    if origin in (typing.Union, types.UnionType):
        kept = [_without_objects(p) for p in parts if not _is_object(p)]
        return typing.Union[tuple(kept)] if kept else annotation  # noqa: UP007
    if origin is tuple:
        return tuple[tuple(p if p is ... else _without_objects(p) for p in parts)]  # type: ignore[misc]
    if origin in (collections.abc.Iterable, collections.abc.Sequence):
        return tuple[_without_objects(parts[0]), ...] if parts else tuple[Any, ...]  # type: ignore[misc]
    return annotation


def _is_object(annotation: Any) -> bool:
    is_function = typing.get_origin(annotation) is collections.abc.Callable
    return _full_name(annotation) == "torch.Tensor" or is_function


def _find_problem(part: Part, parameter: inspect.Parameter, annotation: Any) -> str | None:
    """Why an argument cannot be a setting; None where it can."""
    try:
        adapter = pydantic.TypeAdapter(annotation)
        if parameter.default is not parameter.empty:
            json.dumps(adapter.dump_python(parameter.default, mode="json", warnings=False))
    except (pydantic.errors.PydanticUserError, ValueError, TypeError):
        return (
            f"argument {parameter.name} of {part.__qualname__} cannot be a setting, its type is "
            f"{inspect.formatannotation(annotation)}. Settings are numbers, texts, truth values, None "
            "and lists of these: take a name, and choose by it."
        )
    return None


_ARGUMENT = re.compile(r"(\w+)(?:\s*\([^)]*\))?:\s*(.*)")


def _meanings(part: Part) -> dict[str, str]:
    """The texts of a section `Args:` in the docstring of the part or of its `__init__`."""
    meanings: dict[str, str] = {}
    documented = [part, part.__init__] if inspect.isclass(part) else [part]
    for each in documented:
        lines = inspect.cleandoc(each.__doc__ or "").splitlines()
        name = None
        inside = False
        for line in lines:
            if not line.startswith((" ", "\t")):
                if line.strip():
                    inside, name = line.strip() in ("Args:", "Arguments:", "Parameters:"), None
            elif inside and (match := _ARGUMENT.fullmatch(line.strip())):
                name = match[1]
                meanings[name] = match[2]
            elif inside and name:
                meanings[name] += f" {line.strip()}"
    return meanings


def _function_of(part: Part) -> Any:
    return part.__init__ if inspect.isclass(part) else part


def check_takes_given(part: Part, arguments: Mapping[str, Any]) -> None:
    """Refuse a function that does not take what the workbench gives, before it seems to lack a setting."""
    if inspect.isclass(part) or given_to(part):
        return
    missing = [
        p.name for p in settings_of(part) if p.default is p.empty and p.name not in arguments
    ]
    if missing:
        raise ConfigError(
            f"a function of your own takes what the workbench gives in its first arguments (a net "
            f"`spec, num_outputs`, a loss `outputs, targets`), and its settings by name. "
            f"{part.__qualname__} takes {inspect.signature(part)}."
        )


def describe_unknown(part: Part, name: str, names: list[str]) -> str:
    """The message for an argument that is no setting of the part."""
    if reason := set_elsewhere(part).get(name):
        return f"argument {name} of {part.__qualname__} is no setting of its own: {reason}."
    for parameter in settings_of(part):
        if parameter.name == name:
            hint = _without_objects(_hints(_function_of(part)).get(name, Any))
            return str(_find_problem(part, parameter, hint))
    return unknown(f"argument of {part.__qualname__}", name, names)
