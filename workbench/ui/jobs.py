"""A queue of jobs that outlives the browser and the UI: one folder per job, one at a time.

Where a bench is up (`workbench up`), it runs them. Elsewhere each job is a detached process of its
own (`python -m workbench.ui.jobs FOLDER`) that waits for the jobs before it, so nothing has to
stay up in between: no daemon, and a restarted UI finds everything as it was. The folders are those
of `workbench.jobs.folder`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from workbench.errors import WorkbenchError
from workbench.jobs.client import Client, connect, stop_job
from workbench.jobs.folder import Job, Jobs, load, write
from workbench.jobs.request import Request

__all__ = ["Job", "Queue"]

_POLL_S = 0.3


class Queue(Jobs):
    """The jobs under one folder; new ones go to the bench that is up, else to own processes."""

    def submit(
        self,
        command: Sequence[str],
        title: str,
        *,
        cwd: Path | None = None,
        request: Request | None = None,
    ) -> Job:
        """Queue a command (a list of arguments, no shell).

        Args:
            request: the same for the bench that is up; None: it always gets a process of its own.
        """
        if not command:
            raise WorkbenchError("A job needs a command, got none.")
        if request is not None and (bench := self.bench()) is not None:
            return bench.submit(request)
        job = self.create(command, title, (cwd or Path.cwd()).resolve())
        with (job.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workbench.ui.jobs", str(job.folder.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        _CHILDREN.append(process)
        return self.read(job.id)

    def bench(self) -> Client | None:
        """The bench that is up beside this folder of jobs."""
        return connect(self.folder.resolve().parent)

    def again(self, job_id: str) -> Job:
        """Queue the same once more."""
        job = self.read(job_id)
        order = load(job.folder / "command.json")
        recorded = order.get("request")
        request = Request.from_dict(recorded) if recorded else None
        command = job.command
        if job.resident:  # where the bench has gone, as a command of its own
            command = (sys.executable, "-m", "workbench", *job.command[1:])
        return self.submit(command, job.title, cwd=Path(order["cwd"]), request=request)

    def read_all(self) -> list[Job]:
        for child in [c for c in _CHILDREN if c.poll() is not None]:
            _CHILDREN.remove(child)
        return super().read_all()

    def stop(self, job_id: str, *, force: bool = False) -> None:
        """Ask a job to end, as Ctrl-C does; `force` kills it and what it started."""
        stop_job(self, job_id, now=force)


_CHILDREN: list[subprocess.Popen[bytes]] = []
"""Processes started by this one; polled, so that none is left as a zombie process."""


class _Runner:
    """The process of one job: wait for its turn, run the command, write how it ended."""

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
        order = load(self.folder / "command.json")
        self._tell(state="running", started=time.time())
        with (self.folder / "log").open("ab") as log:
            try:
                self.child = subprocess.Popen(
                    order["command"],
                    cwd=order["cwd"],
                    env=os.environ | {"PYTHONUNBUFFERED": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"The command cannot be started: {error}\n".encode())
                return 127
            if self.stopped:  # a stop came while it was starting
                self._signal(signal.SIGINT)
            return self.child.wait()

    def _others_first(self) -> bool:
        queue = Queue(self.folder.parent)
        return any(job.live and job.id < self.folder.name for job in queue.read_all())

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        self.stopped = True
        self._signal(signal.SIGKILL if number == signal.SIGTERM else signal.SIGINT)

    def _signal(self, number: int) -> None:
        if self.child is not None and self.child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, number)

    def _tell(self, **changes: Any) -> None:
        self.status |= changes
        write(self.folder / "status.json", self.status)


if __name__ == "__main__":
    sys.exit(_Runner(Path(sys.argv[1])).run())
