"""How much memory this process may still use: the machine's, or less in a container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

_ROOT = Path("/sys/fs/cgroup")
# Names of version 2 and of version 1 of Linux's control groups: limit, in use, its file pages that
# the system can take back.
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available_memory(root: Path = _ROOT, groups: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes that can be used without swapping; the smallest of the machine's and its control groups'.

    Args:
        root: where the control groups are mounted.
        groups: the file that names this process's groups.
    """
    free = int(psutil.virtual_memory().available)
    return min((free, *_free_of_groups(root, groups)))


def _free_of_groups(root: Path, groups: Path) -> Iterator[int]:
    """Free bytes of each group that this process is in and of the groups around it, where limited."""
    for folder, names in _own_groups(root, groups):
        for group in (folder, *folder.parents):
            if not group.is_relative_to(root):
                break
            limit, used = (_read_number(group / name) for name in names[:2])
            if limit is not None and used is not None:
                yield max(0, limit - used + _read_field(group / "memory.stat", names[2]))


def _own_groups(root: Path, groups: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return  # no Linux
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield root / path.lstrip("/"), _V2
        elif controllers == "memory":
            yield root / "memory" / path.lstrip("/"), _V1


def _read_number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max" where there is no limit


def _read_field(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[0] == name), 0)
