"""Configurations: frozen, keyword-only, checked when created, and addressable by dotted paths.

A configuration is a tree of dataclasses. `@config` makes one; the docstring under a field is its
help text everywhere (`--help`, the browser form). Pydantic does the checking; what a person reads
is a `ConfigError`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar, dataclass_transform

import pydantic
import pydantic.dataclasses

from nets.errors import ConfigError
from nets.suggestions import nearest

C = TypeVar("C")

_SETTINGS = pydantic.ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


@dataclass_transform(
    frozen_default=True,
    kw_only_default=True,
    field_specifiers=(dataclasses.field, pydantic.Field),
)
def config(cls: type[C]) -> type[C]:
    """Make `cls` a frozen, keyword-only dataclass that checks its fields when it is created.

    Raises (when one is created):
        ConfigError: a value breaks a field's rule; every broken rule is named.
    """
    checked: Any = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_SETTINGS)(cls)
    checked_init = checked.__init__

    @functools.wraps(checked_init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            checked_init(self, *args, **kwargs)
        except pydantic.ValidationError as error:
            raise ConfigError(_explain(error, cls.__name__)) from None

    checked.__init__ = __init__
    _inherit(checked)
    return typing.cast("type[C]", checked)


def _inherit(cls: Any) -> None:
    """Give inherited fields their help, which pydantic reads from a class's own source only, and put
    the class's own fields before them."""
    fields = cls.__pydantic_fields__
    for name, base in ((name, base) for base in cls.__mro__[1:] for name in fields):
        if fields[name].description is None and name in getattr(base, "__pydantic_fields__", {}):
            fields[name].description = base.__pydantic_fields__[name].description
    own = [name for name in cls.__dataclass_fields__ if name in inspect.get_annotations(cls)]
    order = [*own, *(name for name in cls.__dataclass_fields__ if name not in own)]
    cls.__dataclass_fields__ = {name: cls.__dataclass_fields__[name] for name in order}


def _explain(error: pydantic.ValidationError, where: str, paths: Collection[str] = ()) -> str:
    lines = []
    for item in error.errors(include_url=False):
        path = _path(item["loc"], paths) or where
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "value_error":
            lines.append(f"{where}: {message}" if path == where else f"{path}: {message}")
        else:
            lines.append(f"{path}: {message}, got {item['input']!r}.")
    return "\n".join(lines)


def _path(location: tuple[int | str, ...], paths: Collection[str]) -> str:
    """Pydantic's location as a path that can be set: without the tag that chose a union's member."""
    path = ""
    for part in location:
        longer = f"{path}.{part}" if path else str(part)
        if path in paths and longer not in paths and not isinstance(part, int):
            continue
        path = longer
    return path


def to_dict(value: Any) -> dict[str, Any]:
    """The configuration as plain JSON types (dict, list, str, number, bool, None)."""
    return typing.cast(
        "dict[str, Any]", pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    )


def from_dict(cls: type[C], values: Mapping[str, Any]) -> C:
    """The inverse of `to_dict`.

    Raises:
        ConfigError: a key is unknown, a value is missing or breaks its rule.
    """
    try:
        return pydantic.TypeAdapter(cls).validate_python(dict(values))
    except pydantic.ValidationError as error:
        name = getattr(cls, "__name__", str(cls))
        raise ConfigError(_explain(error, name, _paths(dict(values)))) from None


def flatten(value: Any) -> dict[str, Any]:
    """Every leaf by its dotted path: `{"training.learning_rate": 0.001, ...}`."""
    return dict(_leaves(to_dict(value), ""))


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _leaves(value, path + ".")
        else:
            yield path, value


def override(value: C, changes: Mapping[str, Any]) -> C:
    """A copy of a configuration with the leaves at dotted paths replaced.

    A string that reads as JSON is taken as JSON (`"0.1"`, `"[16, 32]"`, `"true"`, `"null"`),
    any other string as itself.

    Raises:
        ConfigError: a path does not exist (the nearest are suggested), or a value breaks a rule.
    """
    tree = to_dict(value)
    paths = _paths(tree)
    for path, new in changes.items():
        if path not in paths:
            raise ConfigError(unknown("setting", path, sorted(_fields(value))))
        _put(tree, path, _parse(new))
    return from_dict(type(value), tree)


def _fields(value: Any, prefix: str = "") -> Iterator[str]:
    """Paths of fields: without the keys of mappings, which may be anything."""
    for field in dataclasses.fields(value):
        yield prefix + field.name
        child = getattr(value, field.name)
        if dataclasses.is_dataclass(child):
            yield from _fields(child, f"{prefix}{field.name}.")


def _paths(tree: Mapping[str, Any], prefix: str = "") -> set[str]:
    paths = set()
    for key, value in tree.items():
        paths.add(prefix + key)
        if isinstance(value, dict):
            paths |= _paths(value, f"{prefix}{key}.")
    return paths


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set what is at a path that exists; keys of a mapping may have dots in them themselves."""
    parts = (k for k in tree if path.startswith(f"{k}.") and isinstance(tree[k], dict))
    key = None if path in tree else next(parts, None)
    if key is None:  # also where an earlier change replaced the whole and left this part out
        tree[path] = value
        return
    _put(tree[key], path.removeprefix(f"{key}."), value)


def _parse(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, digits without end, brackets without end
        return text


def unknown(what: str, name: str, known: list[str]) -> str:
    """The message for a name that is not among `known`, with the nearest of them."""
    few = f" Known: {', '.join(known)}." if len(known) <= 15 else ""
    if near := nearest(name, known):
        return f"Unknown {what} {name!r}. Did you mean {' or '.join(map(repr, near))}?{few}"
    return f"Unknown {what} {name!r}. Known: {', '.join(known)}."
