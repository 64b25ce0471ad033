"""A searched setting as one line of text: `KEY=VALUES`, as `--space` and the Launch form take it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

_IF = re.compile(r"\s+if\s+(?=[\w.\[\]*]+\s*=)")
_AND = re.compile(r"\s+and\s+(?=[\w.\[\]*]+\s*=)")


def parse_space(texts: Sequence[str], option: str = "--space") -> dict[str, Any]:
    """Lines as the value of `sweep.space`.

    KEY=LOW..HIGH is a range; KEY=log:LOW..HIGH is a range that is uniform in the logarithm;
    KEY=a,b,c is a list of values; KEY=[...] is a JSON list, for values that contain commas. After
    it, ` if OTHER=VALUE` says in which trials the setting is searched; ` and ` joins several.

    Raises:
        ConfigError: a text is none of these, or a setting comes twice.
    """
    space: dict[str, Any] = {}
    for text in texts:
        key, value = split_pair(text, option)
        value, *conditions = _split_conditions(value)
        if key in space:
            raise _config_error(
                f"{option} {key} is given twice, and a trial has one value. Put all values into one."
            )
        space[key] = _parse_parameter(key, value, option)
        only_if = _parse_conditions(conditions, option)
        if only_if:
            space[key]["only_if"] = only_if
    return space


def space_text(path: str, parameter: Mapping[str, Any]) -> str:
    """The line that `parse_space` reads as this parameter."""
    conditions = [
        f"{other}={_values_text(values)}"
        for other, values in (parameter.get("only_if") or {}).items()
    ]
    rest = f" if {' and '.join(conditions)}" if conditions else ""
    return f"{path}={parameter_text(parameter)}{rest}"


def parameter_text(parameter: Mapping[str, Any]) -> str:
    """`log:0.0001..0.1`, `relu,tanh` or a JSON list."""
    if parameter["kind"] == "choice":
        return _values_text(parameter["values"])
    return f"{'log:' if parameter['log'] else ''}{parameter['low']}..{parameter['high']}"


def _values_text(values: Sequence[Any]) -> str:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    text = ",".join(texts)
    same = not text.startswith(("[", "log:")) and ".." not in text and not _IF.search(text)
    return text if same and _parse_values(text) == list(values) else json.dumps(list(values))


def _split_conditions(value: str) -> list[str]:
    """The values, and the conditions behind them. Text within a JSON list is no condition."""
    end = 0
    if value.startswith("["):
        try:
            end = json.JSONDecoder().raw_decode(value)[1]
        except (ValueError, RecursionError):
            return [value]  # refused as a list
    first, *conditions = _IF.split(value[end:])
    return [(value[:end] + first).strip(), *conditions]


def _parse_conditions(texts: Sequence[str], option: str) -> dict[str, list[Any]]:
    conditions: dict[str, list[Any]] = {}
    for text in (each for one in texts for each in _AND.split(one)):
        key, value = split_pair(text, f"{option} ... if")
        conditions[key] = _parse_list(f"{option} if {key}", value)
    return conditions


def _parse_parameter(key: str, text: str, option: str) -> dict[str, Any]:
    log = text.startswith("log:")
    low, dots, high = text.removeprefix("log:").partition("..")
    if dots:
        try:
            return {"kind": "uniform", "low": float(low), "high": float(high), "log": log}
        except ValueError:
            raise _config_error(
                f"{option} {key}: a range is LOW..HIGH or log:LOW..HIGH with numbers, got {text!r}."
            ) from None
    if log:
        raise _config_error(
            f"{option} {key}: log: goes before a range, log:LOW..HIGH, got {text!r}."
        )
    return {"kind": "choice", "values": _parse_list(f"{option} {key}", text)}


def _parse_list(where: str, text: str) -> list[Any]:
    if not text.startswith("["):
        return _parse_values(text)
    try:
        return list(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise _config_error(f"{where}: {text!r} is not a JSON list ({error}).") from None


def _parse_values(text: str) -> list[Any]:
    return [_parse_value(part) for part in text.split(",") if part]


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()


def split_pair(text: str, option: str) -> tuple[str, str]:
    """The key and the value of `KEY=VALUE`.

    Raises:
        ConfigError: the text is none.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise _config_error(f"{option} takes KEY=VALUE, got {text!r}.")
    value = value.strip()
    # The shell leaves a ~ in the middle of a word as it is.
    return key.strip(), os.path.expanduser(value) if value.startswith("~/") else value


def _config_error(message: str) -> Exception:
    from nets.errors import ConfigError  # loads torch: only when there is an error

    return ConfigError(message)
