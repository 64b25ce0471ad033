"""A queue of commands that outlives the browser and the UI: one folder per job, one at a time.

    .workbench/jobs/<id>/command.json   what runs, and when it was asked for
                         status.json    queued | running | finished | failed | stopped
                         log            everything the command printed
                         alive          locked by the job's own process for as long as it lives

Each job is a detached process of its own (`python -m workbench.ui.jobs FOLDER`) that waits for the
jobs before it, so nothing has to stay up in between: no daemon, and a restarted UI finds
everything as it was. A bench that stays up can take this queue's place: it has to offer `submit`,
`jobs`, `stop` and a log.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any, Literal

from workbench.errors import WorkbenchError

State = Literal["queued", "running", "finished", "failed", "stopped", "lost"]
ENDED: tuple[State, ...] = ("finished", "failed", "stopped", "lost")
_ID = re.compile(r"\d{8}-\d{6}-\d{6}")
_POLL_S = 0.3
_LOG_BYTES = 64 * 1024
_STARTING_S = 20.0
"""A job this young may not have locked its folder yet."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One command in the queue."""

    id: str
    folder: Path
    command: tuple[str, ...]
    title: str
    state: State
    exit_code: int | None
    submitted: float
    """Seconds since the epoch, as `started` and `ended`."""
    started: float | None
    ended: float | None

    @property
    def live(self) -> bool:
        """Still queued or running."""
        return self.state not in ENDED

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return 0.0 if self.started is None else (self.ended or time.time()) - self.started


class Queue:
    """The jobs under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def submit(self, command: Sequence[str], title: str, *, cwd: Path | None = None) -> Job:
        """Queue a command (a list of arguments, no shell) and start its process."""
        if not command:
            raise WorkbenchError("A job needs a command, got none.")
        job_id = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        folder = self.folder / job_id
        folder.mkdir(parents=True)
        (folder / "log").touch()
        asked = {
            "command": list(command),
            "title": title,
            "cwd": str((cwd or Path.cwd()).resolve()),
            "submitted": time.time(),
        }
        _write(folder / "command.json", asked)
        _write(folder / "status.json", {"state": "queued"})
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workbench.ui.jobs", str(folder.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        _CHILDREN.append(process)
        return self.job(job_id)

    def jobs(self) -> list[Job]:
        """Every job, the newest first."""
        if not self.folder.is_dir():
            return []
        names = sorted(
            (p.name for p in self.folder.iterdir() if _ID.fullmatch(p.name)), reverse=True
        )
        return [job for name in names if (job := _read(self.folder / name)) is not None]

    def job(self, job_id: str) -> Job:
        """One job.

        Raises:
            WorkbenchError: there is none of that id.
        """
        job = _read(self.folder / job_id) if _ID.fullmatch(job_id) else None
        if job is None:
            raise WorkbenchError(f"No job {job_id!r}; see the list of jobs.")
        return job

    def log(self, job_id: str, num_bytes: int = _LOG_BYTES) -> str:
        """The end of what the job printed, without terminal colours and overwritten lines."""
        path = self.job(job_id).folder / "log"
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - num_bytes))
            text = stream.read().decode(errors="replace")
        return plain(text)

    def stop(self, job_id: str, *, force: bool = False) -> None:
        """Ask a job to end, as Ctrl-C does; `force` kills it and what it started."""
        job = self.job(job_id)
        if not job.live:
            return
        runner = _load(job.folder / "status.json").get("runner")
        if not isinstance(runner, int) or not _alive(job.folder):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(runner, signal.SIGTERM if force else signal.SIGINT)

    def remove(self, job_id: str) -> None:
        """Forget an ended job and its log."""
        job = self.job(job_id)
        if job.live:
            raise WorkbenchError(f"Job {job_id} is {job.state}: stop it before removing it.")
        shutil.rmtree(job.folder)


_CHILDREN: list[subprocess.Popen[bytes]] = []
"""Runners started by this process, so that ended ones can be reaped."""


def plain(text: str) -> str:
    """Terminal output as text: no escape sequences, of a line drawn over itself the last state."""
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|\x1b.", "", text)
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join(lines)


def _read(folder: Path) -> Job | None:
    asked, status = _load(folder / "command.json"), _load(folder / "status.json")
    if not asked:
        return None
    for child in [c for c in _CHILDREN if c.poll() is not None]:
        _CHILDREN.remove(child)
    state: State = status.get("state", "lost")
    if state not in ENDED and not _alive(folder):
        status = _load(folder / "status.json")  # it may have ended between the two looks
        young = time.time() - asked["submitted"] < _STARTING_S and "runner" not in status
        state = status.get("state", "lost")
        if state not in ENDED and not young:
            state = "lost"
    return Job(
        id=folder.name,
        folder=folder,
        command=tuple(asked["command"]),
        title=asked["title"],
        state=state,
        exit_code=status.get("exit_code"),
        submitted=asked["submitted"],
        started=status.get("started"),
        ended=status.get("ended"),
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _write(path: Path, value: dict[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value, indent=1))
    draft.replace(path)


def _alive(folder: Path) -> bool:
    """Whether the job's process holds its lock: right even when its pid has been given away."""
    try:
        with (folder / "alive").open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class _Runner:
    """The process of one job: wait for the turn, run, tell how it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.child: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self.status: dict[str, Any] = {"state": "queued", "runner": os.getpid()}

    def run(self) -> int:
        # No `with`: the lock has to last until the process ends.
        lock: IO[bytes] = (self.folder / "alive").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        signal.signal(signal.SIGINT, self._interrupt)
        signal.signal(signal.SIGTERM, self._interrupt)
        self._tell()
        while not self.stopped and self._others_first():
            time.sleep(_POLL_S)
        if self.stopped:
            self._tell(state="stopped", ended=time.time())
            return 0
        code = self._execute()
        state = "stopped" if self.stopped else "finished" if code == 0 else "failed"
        self._tell(state=state, exit_code=code, ended=time.time())
        return 0

    def _execute(self) -> int:
        asked = _load(self.folder / "command.json")
        self._tell(state="running", started=time.time())
        with (self.folder / "log").open("ab") as log:
            try:
                self.child = subprocess.Popen(
                    asked["command"],
                    cwd=asked["cwd"],
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"The command cannot be started: {error}\n".encode())
                return 127
            if self.stopped:  # asked to stop while it was being started
                self._signal(signal.SIGINT)
            return self.child.wait()

    def _others_first(self) -> bool:
        queue = Queue(self.folder.parent)
        return any(job.live and job.id < self.folder.name for job in queue.jobs())

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        self.stopped = True
        self._signal(signal.SIGKILL if number == signal.SIGTERM else signal.SIGINT)

    def _signal(self, number: int) -> None:
        if self.child is not None and self.child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, number)

    def _tell(self, **changes: Any) -> None:
        self.status |= changes
        _write(self.folder / "status.json", self.status)


if __name__ == "__main__":
    sys.exit(_Runner(Path(sys.argv[1])).run())
