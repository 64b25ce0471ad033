"""Whether the store has changed."""

from __future__ import annotations

import threading

from tracking.store import sqlite_file
from workbench.ui.store._cache import forget, uri
from workbench.ui.store._reading import page
from workbench.ui.store._version import read_version


def read_stamp() -> object:
    """Something that differs once the store has changed."""
    file = sqlite_file(uri())
    if file is None:
        newest = page(None, 0, 1)
        return newest.total, [(run.id, run.status, run.metrics) for run in newest.rows]
    return read_version(file)


def refresh() -> object:
    """Empty the caches if the store has changed since the last call; its stamp.

    A page drawn from an older cache would not notice: the change is before its stamp.
    """
    stamp = read_stamp()
    with _refreshing:
        if _last_stamp.get(uri()) != stamp:
            forget()
            _last_stamp[uri()] = stamp
    return stamp


_last_stamp: dict[str, object] = {}
_refreshing = threading.Lock()
