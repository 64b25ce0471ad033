"""Whether the program's files changed since a process loaded them: old code must not run unseen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("nets", "tracking", "workbench")
_APART = ("workbench/ui/", "workbench/cli/")
"""Faces; no job runs them."""
BENCH = (
    "workbench/jobs/server.py",
    "workbench/cluster/",
    "workbench/data/",
    "workbench/bridge/preparation.py",
    "nets/spec.py",
    "nets/prepare.py",
)
"""What the bench's own process runs, as against the process of the jobs."""

Stamp = dict[str, int]
"""Path below the root to the time of its last change, ns."""


def stamp() -> Stamp:
    """The files that jobs run."""
    found = {}
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            name = path.relative_to(_ROOT).as_posix()
            if not name.startswith(_APART):
                found[name] = path.stat().st_mtime_ns
    return found


def changed(before: Stamp, below: Sequence[str] = ("",)) -> list[str]:
    """The files below these paths that are not as they were."""
    now = stamp()
    names = before.keys() | now.keys()
    return sorted(
        name
        for name in names
        if name.startswith(tuple(below)) and before.get(name) != now.get(name)
    )
