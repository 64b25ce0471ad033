"""The log of a run: the file that its process wrote, on the machine where it ran."""

from __future__ import annotations

import socket
from datetime import datetime
from pathlib import Path

from tracking import hide_passwords
from workbench.home import home_folder, jobs_folder, logs_folder
from workbench.jobs.folder import Jobs
from workbench.ui import store
from workbench.ui.errors import Missing

_TAIL_BYTES = 2**20
_FILE_BYTES = 2**25
_BEGINS_S = 3600.0
"""A process opens its log at most this long before its first run."""


def find(run: store.Run) -> Path:
    """The file with what the process of this run printed.

    Raises:
        Missing: the run was on another machine, or its log is gone.
    """
    host, pid = run.tags.get("workbench.host", ""), run.tags.get("workbench.pid", "")
    if host and host != socket.gethostname():
        raise Missing(f"This run's log is on the machine it ran on, {host}, below .workbench/logs.")
    path = _of_job(run) or _of_process(run, pid)
    if path is None:
        raise Missing(
            f"No log of this run is left below {home_folder()}. A run's log is kept there by the "
            "process that made it; a run of another folder or program has none here."
        )
    return path


def _of_job(run: store.Run) -> Path | None:
    """Of a run that a bench made: the log of the job that ran at the time."""
    if run.start is None:
        return None
    for job in Jobs(jobs_folder()).read_all():
        path = job.folder / "details.log"
        if (
            job.started is not None
            and job.started <= run.start <= (job.ended or run.start)
            and path.is_file()
        ):
            return path
    return None


def _of_process(run: store.Run, pid: str) -> Path | None:
    if not pid.isdecimal() or run.start is None:  # it comes from the store
        return None
    begun = []
    for path in logs_folder().glob(f"*-{pid}.log"):
        try:
            at = datetime.strptime(path.name[:15], "%Y%m%d-%H%M%S").timestamp()
        except ValueError:
            continue
        if run.start - _BEGINS_S <= at <= run.start + 1:
            begun.append(path)
    return max(begun, default=None)


def tail(path: Path, count: int, *, containing: str = "") -> list[str]:
    """The last lines that contain a text, from the last megabyte; passwords in addresses are hidden."""
    lines = _read(path, _TAIL_BYTES).splitlines()
    return [line[:2000] for line in lines if containing.lower() in line.lower()][-count:]


def read(path: Path) -> str:
    """The file, or its last 32 MiB; passwords in addresses are hidden."""
    return _read(path, _FILE_BYTES)


def _read(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            return hide_passwords(file.read().decode(errors="replace"))
    except OSError as error:
        raise Missing(f"The log {path} cannot be read: {error.strerror}.") from error
