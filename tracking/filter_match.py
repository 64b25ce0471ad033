"""Whether a run that is in memory matches a filter: for stores that SQL cannot ask."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from tracking.filters import NUMBER, All, Compare, Node, Not, Some, Word, refuse
from tracking.run import NOTE, Run

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "LIKE": lambda text, pattern: _like(text, pattern, 0),
    "ILIKE": lambda text, pattern: _like(text, pattern, re.IGNORECASE),
    "IN": lambda text, values: text in values,
    "NOT IN": lambda text, values: text not in values,
}


def compare_number(comparator: str, text: str, value: float) -> bool:
    """Whether a parameter's text is a number that compares so."""
    return NUMBER.fullmatch(text) is not None and _COMPARE[comparator](float(text), value)


def is_own_tag(name: str) -> bool:
    """Whether a word is searched in this tag: a person's tags and the note, none of programs."""
    return name == NOTE or not name.startswith(("mlflow.", "workbench."))


def matches(node: Node, run: Run) -> bool:
    """Whether a run matches a tree whose names are resolved."""
    if isinstance(node, Word):
        return _contains(run, node.text.lower())
    if isinstance(node, Not):
        return not matches(node.part, run)
    if isinstance(node, All):
        return all(matches(part, run) for part in node.parts)
    if isinstance(node, Some):
        return any(matches(part, run) for part in node.parts)
    return _compares(node, run)


def _contains(run: Run, word: str) -> bool:
    tags = [text for name, value in run.tags.items() if is_own_tag(name) for text in (name, value)]
    texts = (run.name, run.experiment, *run.params.values(), *(t for t in tags if t != NOTE))
    return any(word in text.lower() for text in texts)


def _compares(node: Compare, run: Run) -> bool:
    value = _value(node, run)
    if node.comparator in ("IS NULL", "IS NOT NULL"):
        return (value is None) == (node.comparator == "IS NULL")
    if value is None:
        return False
    if node.kind == "parameter" and isinstance(node.value, float):
        return compare_number(node.comparator, value, node.value)
    return _COMPARE[node.comparator](value, node.value)


def _value(node: Compare, run: Run) -> Any:
    if node.kind != "attribute":
        values: dict[str, dict[str, Any]] = {
            "metric": run.metrics,
            "parameter": run.params,
            "tag": run.tags,
        }
        return values[node.kind].get(node.key)
    attributes = {
        "run_name": run.name,
        "run_id": run.run_id,
        "status": run.status,
        "experiment": run.experiment,
        "start_time": None if run.start is None else run.start * 1000,
        "end_time": None if run.end is None else run.end * 1000,
    }
    if node.key not in attributes:
        raise refuse(f"the attribute {node.key!r} cannot stand beside words, or and not here.")
    return attributes[node.key]


def _like(text: str, pattern: str, flags: int) -> bool:
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, flags | re.DOTALL) is not None
