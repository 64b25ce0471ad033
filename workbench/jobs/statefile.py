"""The state file: where the bench that is up can be reached, for this user only.

.workbench/bench/          0700
    state.json             0600: address, process, socket, the path of Ray's token
    socket                 0600: requests to the actor
    alive                  locked by the supervisor for as long as it lives
    start.jsonl            progress of the last start
    keeper.log             what the supervisor printed
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from workbench.home import bench_folder

NAMESPACE, ACTOR = "workbench", "bench"
"""Ray namespace and name of the actor: one bench in a Ray."""
_LOCK_TRIES = 10


def make_folder(base: Path | None = None) -> Path:
    """Make the bench's folder below `base` (default: `home_folder()`), for this user only."""
    folder = bench_folder(base)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


@dataclass(frozen=True, kw_only=True)
class State:
    """A bench that is up, or was."""

    address: str
    """`host:port` of Ray's control service."""
    pid: int
    """The supervisor's process, which ends last."""
    actor_pid: int
    """The server's process, which owns Spark and the queue."""
    started: float
    """Seconds since the epoch."""
    log: str
    """Where Ray, Spark and the JVMs print."""
    token_path: str | None = None
    """The file with Ray's token; None when Ray needs none."""
    cluster: dict[str, Any] = field(default_factory=dict)
    """Its `cluster` settings."""
    pages: dict[str, str] = field(default_factory=dict)
    """Addresses of Ray's and Spark's own pages, by name; empty without `--dashboards`."""
    ended: str | None = None
    """Why the bench is no longer up, if that is known."""


def write(state: State, base: Path | None = None) -> None:
    """Write the state file, whole or not at all."""
    path = make_folder(base) / "state.json"
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(dataclasses.asdict(state), file, indent=1)
    draft.replace(path)


def read(base: Path | None = None) -> State | None:
    """Read the state file; None without one that can be read."""
    try:
        values = json.loads((bench_folder(base) / "state.json").read_text())
        names = {field.name for field in dataclasses.fields(State)}
        return State(**{name: value for name, value in values.items() if name in names})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def remove(base: Path | None = None) -> None:
    """Remove the state file and the socket of a bench that is gone."""
    for name in ("state.json", "socket"):
        (bench_folder(base) / name).unlink(missing_ok=True)


def lock(base: Path | None = None) -> IO[bytes] | None:
    """Lock this home for one bench, until the file is closed; None while another bench has it."""
    file = (make_folder(base) / "alive").open("ab")
    for _ in range(_LOCK_TRIES):  # `is_locked` holds it for a moment
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            time.sleep(0.02)
    file.close()
    return None


def is_alive(base: Path | None = None) -> bool:
    """Whether a bench's supervisor lives. A lock, as the system reuses process ids."""
    return is_locked(bench_folder(base) / "alive")


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock of a file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
