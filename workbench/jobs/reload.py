"""Find program files that changed after this process loaded them: old code must not run unnoticed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("nets", "tracking", "workbench")


class LoadedCode:
    """The files of the program's modules that this process has loaded, whichever package they are in.

    Args:
        since_ns: a time before this process loaded the first of them, in ns since the epoch.
    """

    def __init__(self, since_ns: int) -> None:
        self._mtimes: dict[Path, int | None] = {}
        """None: changed before its first check."""
        self._last_check_ns = since_ns
        self.find_changed_files()

    def find_changed_files(self) -> list[str]:
        """The files that changed after they were loaded, as paths below the program's root.

        A file that was loaded and changed since the last call counts as changed: which of the two
        came first is not known.
        """
        now = time.time_ns()
        for path in _list_loaded_files() - self._mtimes.keys():
            mtime = _mtime(path)
            is_older = mtime is not None and mtime <= self._last_check_ns
            self._mtimes[path] = mtime if is_older else None
        self._last_check_ns = now
        changed = [p for p, mtime in self._mtimes.items() if mtime is None or mtime != _mtime(p)]
        return sorted(path.relative_to(_ROOT).as_posix() for path in changed)


def _list_loaded_files() -> set[Path]:
    files = {
        Path(file)
        for name, module in sys.modules.copy().items()
        if name.partition(".")[0] in _PACKAGES and (file := getattr(module, "__file__", None))
    }
    return {path for path in files if path.is_relative_to(_ROOT)}


def _mtime(path: Path) -> int | None:
    """Time of the last change, in ns since the epoch; None when the file is gone."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
