"""Natural order of names: 2 before 10, img9 before img10."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DIGITS = re.compile(r"(\d+)", re.ASCII)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A key to sort names by: runs of digits count as numbers, the rest as text."""
    parts = _DIGITS.split(name)
    key = [(0, int(part), part) if i % 2 else (1, 0, part) for i, part in enumerate(parts)]
    return [part for part in key if part != (1, 0, "")]


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """The names in natural order, each once."""
    return tuple(sorted(set(names), key=natural_key))
