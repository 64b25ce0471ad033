"""The experiment's dataclasses as form fields: type, range, choices and help from their schema."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pydantic

from nets import activations
from nets.config import to_dict
from nets.errors import ConfigError
from workbench.experiments.changes import override
from workbench.experiments.experiment import Experiment
from workbench.experiments.space_check import check_paths

Kind = Literal["switch", "choice", "integer", "number", "text", "rows", "json"]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One setting of an experiment."""

    path: str
    """Dotted path, as `--set` takes it."""
    kind: Kind
    value: Any
    """Its value in the experiment."""
    help: str
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    optional: bool = False
    """Whether None is allowed."""
    columns: tuple[Field, ...] = ()
    """Of rows, such as the blocks of a net: the fields of one, with their defaults."""

    @property
    def group(self) -> str:
        """The part of the tree it belongs to: `training`, `net`, ..."""
        return self.path.split(".")[0]

    @property
    def label(self) -> str:
        """The path within its group."""
        return self.path.split(".", 1)[-1]


def fields(experiment: Experiment) -> list[Field]:
    """Every setting in the order of declaration, for the net and the source of this experiment."""
    schema = _schema()
    leaves: list[Field] = []
    _collect(schema, schema, to_dict(experiment), "", leaves)
    return leaves


@functools.cache
def _schema() -> dict[str, Any]:
    return pydantic.TypeAdapter(Experiment).json_schema()


def _collect(
    root: dict[str, Any],
    node: dict[str, Any],
    tree: dict[str, Any],
    prefix: str,
    leaves: list[Field],
) -> None:
    for name, declared in node.get("properties", {}).items():
        if name not in tree or name == "kind":
            continue
        path, value = prefix + name, tree[name]
        part = _resolve(root, declared, value)
        if isinstance(value, dict) and "properties" in part:
            _collect(root, part, value, path + ".", leaves)
        else:
            leaf = _field(path, part, value, declared.get("description", ""))
            leaves.append(_with_columns(root, part, leaf))


def _resolve(root: dict[str, Any], node: dict[str, Any], value: Any) -> dict[str, Any]:
    """The schema that applies to `value`: references followed, the right branch of a union."""
    while "$ref" in node:
        rest = {k: v for k, v in node.items() if k != "$ref"}
        node = root["$defs"][node["$ref"].rsplit("/", 1)[-1]] | rest
    mapping = node.get("discriminator", {}).get("mapping")
    if mapping and isinstance(value, dict) and value.get("kind") in mapping:
        return _resolve(root, {"$ref": mapping[value["kind"]]}, value)
    branches = node.get("anyOf", [])
    if branches:
        real = [b for b in branches if b.get("type") != "null"]
        rest = {k: v for k, v in node.items() if k != "anyOf"}
        chosen = _resolve(root, real[0], value) if len(real) == 1 else {"anyOf": real}
        return chosen | rest | {"nullable": len(real) < len(branches)}
    return node


def _field(path: str, part: dict[str, Any], value: Any, text: str) -> Field:
    optional = bool(part.get("nullable"))
    low = part.get("minimum", part.get("exclusiveMinimum"))
    high = part.get("maximum", part.get("exclusiveMaximum"))
    values: dict[str, Any] = {
        "path": path,
        "value": value,
        "help": _help(part.get("description", text), part),
        "minimum": low,
        "maximum": high,
        "optional": optional,
    }
    if path.rsplit(".", 1)[-1] == "activation":
        return Field(kind="choice", choices=tuple(activations.names()), **values)
    if (
        "enum" in part and not optional and not isinstance(value, dict)
    ):  # a dict: a part of one's own
        return Field(kind="choice", choices=tuple(part["enum"]), **values)
    kinds: dict[str, Kind] = {
        "boolean": "switch",
        "integer": "integer",
        "number": "number",
        "string": "text",
    }
    kind: Kind = kinds.get(str(part.get("type")), "json")
    return Field(kind="json" if optional or isinstance(value, dict) else kind, **values)


def _with_columns(root: dict[str, Any], part: dict[str, Any], leaf: Field) -> Field:
    """The field of a list of small records as one of rows; any other field as it is."""
    record = _resolve(root, part.get("items", {}), None) if part.get("type") == "array" else {}
    properties = record.get("properties", {})
    if not properties or leaf.optional:
        return leaf
    columns = [
        _field(name, _resolve(root, declared, None), declared.get("default"), "")
        for name, declared in properties.items()
    ]
    return replace(leaf, kind="rows", columns=tuple(columns))


def read_rows(
    records: Sequence[Mapping[str, Any]], columns: Sequence[Field]
) -> list[dict[str, Any]]:
    """Rows as an editor returns them, as the setting takes them: an empty cell is the default."""
    return [
        {column.path: _cell(record.get(column.path), column) for column in columns}
        for record in records
    ]


def _cell(value: Any, column: Field) -> Any:
    if value is None or value != value:  # an empty cell of numbers is NaN
        return column.value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _help(text: str, part: dict[str, Any]) -> str:
    """The field's docstring and its range."""
    limits = [
        f"{sign} {part[key]:g}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if isinstance(part.get(key), (int, float))
    ]
    return text + (f" ({' and '.join(limits)})" if limits else "")


def as_text(value: Any) -> str:
    """A value as `--set` and a text field show it: JSON, strings bare."""
    return value if isinstance(value, str) else json.dumps(value)


def check(base: Experiment, changes: Mapping[str, Any]) -> tuple[Experiment | None, dict[str, str]]:
    """The experiment with `changes`, or None and what is wrong by path ("" for what has no field)."""
    try:
        changed = override(base, changes)
        if "sweep.space" in changes:
            check_paths(changed)
        return changed, {}
    except ConfigError as error:
        return None, _by_path(str(error), changes)


def _by_path(message: str, changes: Mapping[str, Any]) -> dict[str, str]:
    problems: dict[str, str] = {}
    for line in message.splitlines():
        path, separator, text = line.partition(": ")
        plain = re.sub(r"\.(cnn|rnn|resnet|autoencoder)\b", "", path)  # the union's branch
        near = [c for c in changes if plain == c or plain.startswith(c + ".")]
        where = near[0] if separator and near else ""
        problems[where] = "\n".join(filter(None, [problems.get(where), text if where else line]))
    return problems


def arguments(changes: Mapping[str, Any]) -> list[str]:
    """`--set path=value` for each change, as a list of arguments."""
    return [
        word for path, value in changes.items() for word in ("--set", f"{path}={as_text(value)}")
    ]
