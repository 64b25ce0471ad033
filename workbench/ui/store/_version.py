"""Whether an SQLite file has changed, as its readers see it."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

Version = tuple[int, int, int]

_lock = threading.Lock()
_connections: dict[Path, tuple[int, sqlite3.Connection]] = {}
"""Of each file its inode, and a connection that is used for this question only."""
_opened = 0


def read_version(file: Path) -> Version | None:
    """Something that differs once another connection's commit can be read; None: there is no file.

    The time of the file is no answer: in WAL mode a commit is written first, and can be read a
    moment later. `PRAGMA data_version` changes when the data does (sqlite.org/pragma.html).

    Raises:
        sqlite3.Error: the file is no database, or is damaged.
    """
    global _opened
    with _lock:
        try:
            inode = file.stat().st_ino
        except FileNotFoundError:
            return None
        known, connection = _connections.get(file, (None, None))
        if connection is None or known != inode:
            if connection is not None:
                connection.close()
            uri = f"{file.as_uri()}?mode=rw"
            connection = sqlite3.connect(uri, uri=True, timeout=20, check_same_thread=False)
            _connections[file] = (inode, connection)
            _opened += 1
        with closing(connection.execute("PRAGMA data_version")) as answer:
            return inode, _opened, int(answer.fetchone()[0])
