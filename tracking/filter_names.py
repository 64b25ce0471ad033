"""Names in a filter: which metric, parameter or tag a short name means; a filter as text."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from tracking.filters import (
    TAG_OF,
    All,
    Compare,
    Node,
    Not,
    Some,
    check,
    refuse,
)
from tracking.query import Names

_SHORT = {"lr": "learning_rate", "acc": "accuracy", "bs": "batch_size", "batch": "batch_size"}
_FIRST = {
    "metric": ("best/validation/", "validation/", "test/", "train/"),
    "parameter": ("training.", "net.", "preparation.", "data.", "cluster."),
    "tag": (),
}
"""Of several names with the same last part, the one with the earliest of these beginnings."""


def resolve(node: Node, names: Callable[[], Names]) -> Node:
    """The tree with a kind and a full name in every comparison.

    Args:
        names: all names of the store; called only if a name is short.

    Raises:
        QueryError: no run has such a name. The message has names that are near.
    """
    if isinstance(node, Compare):
        return node if node.kind else _find(node, names())
    if isinstance(node, Not):
        return Not(resolve(node.part, names))
    if isinstance(node, All):
        return All(tuple(resolve(part, names) for part in node.parts))
    if isinstance(node, Some):
        return Some(tuple(resolve(part, names) for part in node.parts))
    return node


def _find(node: Compare, names: Names) -> Compare:
    known = {"metric": names.metrics, "parameter": names.params, "tag": names.tags}
    for kind, keys in known.items():
        if node.key in keys:
            return check(Compare(kind, node.key, node.comparator, node.value))
    key = _SHORT.get(node.key.lower(), node.key).lower()
    text = not isinstance(node.value, float)
    for kind in ("parameter", "metric", "tag") if text else ("metric", "parameter", "tag"):
        same = [name for name in known[kind] if _last(name) == key or name.lower() == key]
        if same:
            chosen = min(same, key=lambda name: (_place(name, _FIRST[kind]), name))
            return check(Compare(kind, chosen, node.comparator, node.value))
    short = {_last(name) for keys in known.values() for name in keys} | set(TAG_OF) | {"name"}
    near = difflib.get_close_matches(key, sorted(short), 3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise refuse(f"no run has a metric, parameter or tag {node.key!r}. {hint}".rstrip())


def _last(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[-1].lower()


def _place(name: str, beginnings: Sequence[str]) -> int:
    places = [i for i, beginning in enumerate(beginnings) if name.startswith(beginning)]
    return places[0] if places else len(beginnings)


def is_mlflow(node: Node) -> bool:
    """Whether MLflow's own filters can say it: comparisons joined by `and`, no numbers of parameters."""
    if isinstance(node, All):
        return all(is_mlflow(part) for part in node.parts)
    if not isinstance(node, Compare) or not node.kind or node.key == "experiment":
        return False
    return not (node.kind == "parameter" and isinstance(node.value, float))


def as_text(node: Node) -> str:
    """The filter in MLflow's syntax, as far as that goes: words, `or` and `not` are ours."""
    if isinstance(node, Compare):
        return _comparison(node)
    if isinstance(node, Not):
        return f"not ({as_text(node.part)})"
    if isinstance(node, All):
        return " and ".join(_within(part, Some) for part in node.parts)
    if isinstance(node, Some):
        return " or ".join(_within(part, All) for part in node.parts)
    return f'"{node.text}"'


def _within(node: Node, bracketed: type[All] | type[Some]) -> str:
    return f"({as_text(node)})" if isinstance(node, bracketed) else as_text(node)


def _comparison(node: Compare) -> str:
    kind = {"metric": "metrics", "parameter": "params", "tag": "tags"}.get(node.kind, "attributes")
    key = f"`{node.key}`" if node.kind != "attribute" else node.key
    name = f"{kind}.{key}"
    if node.value is None:
        return f"{name} {node.comparator}"
    if isinstance(node.value, tuple):
        return f"{name} {node.comparator} ({', '.join(map(_quoted, node.value))})"
    value = _number(node.value) if isinstance(node.value, float) else _quoted(node.value)
    return f"{name} {node.comparator} {value}"


def _number(value: float) -> str:
    """A number; a time in milliseconds keeps all of its digits."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 2**53 else f"{value:.12g}"


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
