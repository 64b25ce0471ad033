"""Changes of an experiment by path: also inside of lists, and of a whole part by the name of its kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nets.config import override as override_leaves
from nets.config import to_dict, unknown
from nets.errors import ConfigError
from workbench.experiments.experiment import Experiment

_INDEX = re.compile(r"\[([^\[\]]*)\]")


def override(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """A copy of an experiment with the settings at these paths replaced.

    Beside what `nets.config.override` takes: `net.blocks[0].channels` is the first block's,
    `net.blocks[*].channels` that of all blocks; `net` may be the name of a kind (`rnn`), which is the
    experiment's own net where it has that kind, else that kind with its defaults. A whole is replaced
    before its parts, in whatever order they come.

    Raises:
        ConfigError: a path does not exist (what there is is named), or a value breaks a rule.
    """
    pending = dict(changes)
    while pending:
        now = {p: new for p, new in pending.items() if not any(is_inside(p, q) for q in pending)}
        experiment = _apply(experiment, now)
        pending = {path: new for path, new in pending.items() if path not in now}
    return experiment


def is_inside(path: str, whole: str) -> bool:
    """Whether a path leads to a part of another path's value."""
    return path.startswith((f"{whole}.", f"{whole}["))


def is_list_path(path: str) -> bool:
    """Whether a path leads into a list."""
    return "[" in path and not path.startswith("sweep.")


def param_name(path: str) -> str:
    """A path as the name of an MLflow parameter, which has no brackets: `net.blocks.0.channels`, and
    `net.blocks.all.channels` for `[*]`."""
    return _INDEX.sub(lambda found: f".{'all' if found[1] == '*' else found[1]}", path)


def overlap(path: str, other: str) -> bool:
    """Whether two paths name the same value of a list: `net.dense[*]` and `net.dense[0]`."""
    if path == other or _INDEX.sub("[]", path) != _INDEX.sub("[]", other):
        return False
    pairs = zip(_INDEX.findall(path), _INDEX.findall(other), strict=True)
    return all(a == b or "*" in (a, b) for a, b in pairs)


def _apply(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    tree = to_dict(experiment)
    new_values: dict[str, Any] = {}
    for path, new in changes.items():
        if not is_list_path(path):
            new_values[path] = _name_kind(tree, path, new)
            continue
        root, bracket, rest = path.partition("[")
        if root not in new_values:
            new_values[root] = _find_list(tree, root, path)
        _put(new_values[root], bracket + rest, _parse(new), root, path)
    return override_leaves(experiment, new_values)


def _name_kind(tree: Any, path: str, new: Any) -> Any:
    """`rnn` for a net as the configuration of that kind."""
    if not isinstance(new, str) or new[:1] in ("{", '"', "["):
        return new
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or "kind" not in tree:
        return new
    return tree if tree["kind"] == new else {"kind": new}


def _find_list(tree: dict[str, Any], root: str, path: str) -> list[Any]:
    value: Any = tree
    for name in root.split("."):
        if not isinstance(value, dict) or name not in value:
            lists = [f"{where}[0]" for where in _lists(tree)]
            raise ConfigError(unknown("setting", path, lists))
        value = value[name]
    if not isinstance(value, list):
        raise ConfigError(f"{root} is no list, got {path!r}. Its value is {json.dumps(value)}.")
    return value


def _lists(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict) and prefix + key != "sweep":
            yield from _lists(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value:
            yield prefix + key


def _put(values: list[Any], rest: str, new: Any, where: str, path: str) -> None:
    """Set what a path names inside of a list; `rest` begins with the list's brackets."""
    found = _INDEX.match(rest)
    if found is None:
        raise ConfigError(f"{path!r}: a list's entry is [0], [1], ... or [*] for all of them.")
    inside = rest[found.end() :]
    for number in _numbers(found[1], len(values), where, path):
        entry = f"{where}[{number}]"
        if not inside:
            values[number] = new
        elif inside.startswith("["):
            if not isinstance(values[number], list):
                raise ConfigError(f"{entry} is no list, got {path!r}.")
            _put(values[number], inside, new, entry, path)
        elif not inside.startswith("."):
            raise ConfigError(f"{path!r}: after {entry} comes a dot and a setting's name.")
        else:
            _put_in_part(values[number], inside.removeprefix("."), new, entry, path)


def _put_in_part(part: Any, inside: str, new: Any, where: str, path: str) -> None:
    """Set what a path names inside of an entry that has settings itself."""
    name, dot, rest = re.match(r"([^.\[]*)(\.?)(.*)", inside, re.DOTALL).groups()  # type: ignore[union-attr]
    if not isinstance(part, dict) or name not in part:
        known = [f"{where}.{one}" for one in part] if isinstance(part, dict) else []
        if not known:
            raise ConfigError(f"{where} has no settings inside, got {path!r}. Name {where} itself.")
        raise ConfigError(unknown("setting", f"{where}.{name}", known))
    if not rest:
        part[name] = new
    elif dot:
        _put_in_part(part[name], rest, new, f"{where}.{name}", path)
    elif isinstance(part[name], list):
        _put(part[name], rest, new, f"{where}.{name}", path)
    else:
        raise ConfigError(f"{where}.{name} is no list, got {path!r}.")


def _numbers(text: str, length: int, where: str, path: str) -> list[int]:
    there = f"{where} has {length} {'entry' if length == 1 else 'entries'}"
    if text == "*":
        if not length:
            raise ConfigError(f"{path!r} names nothing: {there}.")
        return list(range(length))
    if not text.isdecimal() or int(text) >= length:
        last = f": [0] to [{length - 1}]" if length > 1 else ": [0]" if length else ""
        raise ConfigError(
            f"{path!r} names no entry: {there}{last}. Entries are counted from 0 at the front, "
            "without a minus; [*] is all of them."
        )
    return [int(text)]


def _parse(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
