"""What of an experiment differs from the defaults."""

from __future__ import annotations

import dataclasses
from typing import Any


def changed_settings(value: Any, prefix: str = "") -> dict[str, Any]:
    """The settings that are not defaults, by path; and the kind of every source and net.

    A setting that has no default is always there. Settings inside of lists and mappings are not
    taken apart.
    """
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        part, path = getattr(value, field.name), f"{prefix}{field.name}"
        if dataclasses.is_dataclass(part):
            changed |= changed_settings(part, f"{path}.")
        elif field.name == "kind" or not is_default(field, part):
            changed[path] = part
    return changed


def is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field of a configuration has its default."""
    default = field.default
    if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    # pydantic keeps a default as `Field(default=...)`, or `Field(default_factory=...)`.
    factory = getattr(default, "default_factory", None)
    default = factory() if callable(factory) else getattr(default, "default", default)
    return bool(type(default) is type(value) and default == value)


def setting_text(value: Any) -> str:
    """A setting in one line: a list of parts by what in them is not a default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = changed_settings(value).items()
        inside = ", ".join(f"{name}={setting_text(part)}" for name, part in parts if name != "kind")
        return f"{type(value).__name__}({inside})"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(setting_text, value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {setting_text(part)}" for name, part in value.items())
    return str(value)
