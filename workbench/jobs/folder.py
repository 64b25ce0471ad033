"""Jobs on disk: a folder each, which the command line, the UI and the bench read.

.workbench/jobs/<id>/command.json   the command, its request and the time
                     status.json    queued | running | finished | failed | stopped
                     log            for a person: progress, the error
                     alive          locked by the process that runs the job, or that queues it
                     events.jsonl   progress as data (jobs on a bench)
                     details.log    what Ray and others printed (jobs on a bench)
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from workbench.errors import WorkbenchError
from workbench.jobs.statefile import is_locked

JobState = Literal["queued", "running", "finished", "failed", "stopped", "lost"]
ENDED: tuple[JobState, ...] = ("finished", "failed", "stopped", "lost")
_ID = re.compile(r"\d{8}-\d{6}-\d{6}")
_LOG_BYTES = 64 * 1024
_STARTING_S = 20.0
"""A job this young may not have locked its folder yet."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that waits, runs or has ended."""

    id: str
    folder: Path
    command: tuple[str, ...]
    """A command that does the same."""
    title: str
    state: JobState
    exit_code: int | None
    submitted: float
    """Seconds since the epoch, as `started` and `ended`."""
    started: float | None
    ended: float | None
    resident: bool = False
    """Whether it runs on a bench; otherwise in a process of its own."""

    @property
    def live(self) -> bool:
        """Still queued or running."""
        return self.state not in ENDED

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return 0.0 if self.started is None else (self.ended or time.time()) - self.started


class Jobs:
    """The jobs under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_all(self) -> list[Job]:
        """Every job, the newest first."""
        if not self.folder.is_dir():
            return []
        names = sorted(
            (p.name for p in self.folder.iterdir() if _ID.fullmatch(p.name)), reverse=True
        )
        return [job for name in names if (job := _read(self.folder / name)) is not None]

    def read(self, job_id: str) -> Job:
        """One job.

        Raises:
            WorkbenchError: no job has that id.
        """
        job = _read(self.folder / job_id) if _ID.fullmatch(job_id) else None
        if job is None:
            raise WorkbenchError(f"No job {job_id!r}; `workbench jobs` lists all.")
        return job

    def create(self, command: Sequence[str], title: str, cwd: Path, **more: Any) -> Job:
        """Make the folder of a new job; nothing runs it yet."""
        while True:
            folder = self.folder / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
            try:
                folder.mkdir(parents=True, mode=0o700)
                break
            except FileExistsError:
                continue
        (folder / "log").touch()
        values = {"command": list(command), "title": title, "cwd": str(cwd), **more}
        write(folder / "command.json", values | {"submitted": time.time()})
        write(folder / "status.json", {"state": "queued"})
        return self.read(folder.name)

    def read_log(self, job_id: str, num_bytes: int = _LOG_BYTES) -> str:
        """The end of the job's output, without colours and overwritten lines."""
        path = self.read(job_id).folder / "log"
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - num_bytes))
            text = stream.read().decode(errors="replace")
        return strip_terminal_codes(text)

    def remove(self, job_id: str) -> None:
        """Forget an ended job and its log."""
        job = self.read(job_id)
        if job.live:
            raise WorkbenchError(f"Job {job_id} is {job.state}: stop it before removing it.")
        shutil.rmtree(job.folder)


def strip_terminal_codes(text: str) -> str:
    """Terminal output as text: no escape sequences; the last state of a line that was redrawn."""
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\x1b.", "", text)
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join(lines)


def load(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; empty without one."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object to a file, whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value, indent=1))
    draft.replace(path)


def _read(folder: Path) -> Job | None:
    command, status = load(folder / "command.json"), load(folder / "status.json")
    if not command:
        return None
    state: JobState = status.get("state", "lost")
    if state not in ENDED and not is_locked(folder / "alive"):
        status = load(folder / "status.json")  # it may have ended since
        young = time.time() - command["submitted"] < _STARTING_S and "runner" not in status
        state = status.get("state", "lost")
        if state not in ENDED and not young:
            state = "lost"
    return Job(
        id=folder.name,
        folder=folder,
        command=tuple(command["command"]),
        title=command["title"],
        state=state,
        exit_code=status.get("exit_code"),
        submitted=command["submitted"],
        started=status.get("started"),
        ended=status.get("ended"),
        resident=bool(command.get("resident")),
    )
