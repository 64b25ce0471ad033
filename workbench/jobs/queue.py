"""The bench's queue: jobs wait, run one after another, and can be cancelled."""

from __future__ import annotations

import fcntl
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ray.exceptions import RayActorError

from workbench.errors import INTERRUPTED, ClusterError, WorkbenchError
from workbench.jobs import folder
from workbench.jobs.folder import Job, Jobs
from workbench.jobs.reload import LoadedCode
from workbench.jobs.request import Request
from workbench.jobs.runner import CANCEL, build_end
from workbench.jobs.runner_process import RunnerProcess
from workbench.progress.events import Events

_STOP_S = 30.0
"""How long the running job may take to end in order when the bench is stopped."""


class JobQueue:
    """Runs jobs in the runner's process, from a thread of its own.

    Args:
        code: what the bench's own process has loaded.
        on_cancel: called when the running job is cancelled.
    """

    def __init__(
        self, jobs: Jobs, runner: RunnerProcess, code: LoadedCode, on_cancel: Callable[[], None]
    ) -> None:
        self._jobs, self._runner, self._code, self._on_cancel = jobs, runner, code, on_cancel
        self._locks: dict[str, IO[bytes]] = {}
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._cancelled: set[str] = set()
        self._closed = False
        self._changed = threading.Condition()

    def start(self) -> None:
        """Begin to run jobs."""
        threading.Thread(target=self._run_jobs, name="jobs", daemon=True).start()

    def job_ids(self) -> tuple[str | None, list[str]]:
        """The job that runs, and those that wait."""
        with self._changed:
            running = self._running.id if self._running else None
            return running, [job.id for job in self._waiting]

    def submit(self, request: Request) -> Job:
        """Add a job.

        Raises:
            ClusterError: the bench is being stopped.
        """
        with self._changed:
            if self._closed:
                raise ClusterError("The bench is being stopped.")
            cwd = Path(request.cwd or Path.cwd())
            job = self._jobs.create(
                request.command, request.title, cwd, resident=True, request=request.as_dict()
            )
            self._locks[job.id] = (job.folder / "alive").open("wb")
            fcntl.flock(self._locks[job.id], fcntl.LOCK_EX)
            if ahead := len(self._waiting) + (self._running is not None):
                _events(job).note(f"Queued as job {job.id}, {ahead} before it.")
            self._waiting.append(job)
            self._changed.notify_all()
        return job

    def cancel(self, job_id: str, *, now: bool = False) -> str:
        """End a job as Ctrl-C does; `now` kills its process. Returns its state.

        Raises:
            WorkbenchError: the job is neither running nor queued.
        """
        with self._changed:
            queued = next((job for job in self._waiting if job.id == job_id), None)
            if queued is not None:
                self._waiting.remove(queued)
                self._end(queued, build_end("stopped", INTERRUPTED))
                return "stopped"
            if self._running is None or self._running.id != job_id:
                raise WorkbenchError(f"Job {job_id} is neither running nor queued here.")
            self._cancelled.add(job_id)
            (self._running.folder / CANCEL).touch()  # for a signal that comes too early
            self._runner.interrupt(kill=now)
        self._on_cancel()
        return "stopping"

    def close(self) -> None:
        """Take no more jobs, and end all: first as Ctrl-C does, then by killing."""
        with self._changed:
            self._closed = True
            queued, running = list(self._waiting), self._running
        for job in queued:
            with suppress(WorkbenchError):
                self.cancel(job.id)
        for now in (False, True):
            if running is not None and self._running is not None:
                with suppress(WorkbenchError):  # it has just ended
                    self.cancel(running.id, now=now)
                with self._changed:
                    self._changed.wait_for(lambda: self._running is None, timeout=_STOP_S)

    def _run_jobs(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                job = self._running = self._waiting.popleft()
            try:
                end = self._run(job)
            except Exception as error:  # an error in one job must not end the queue
                end = build_end("failed", 1, error=f"{type(error).__name__}: {error}")
            try:
                with self._changed:
                    self._running = None
                    self._changed.notify_all()
                    self._end(job, end)
            except OSError:  # the disk is full: clients see that the job's lock is free
                traceback.print_exc()
            self._runner.renew()

    def _run(self, job: Job) -> dict[str, Any]:
        if changed := self._code.find_changed_files():
            _events(job).note(
                f"Changed since the bench started: {changed[0]}. The bench prepares data with the "
                "old code; `workbench down` and `workbench up` load the new."
            )
        if self._runner.is_old():
            _events(job).stage("Loading the libraries")
            self._runner.replace()
        _update_status(job, state="running", started=time.time())
        try:
            return self._runner.run(job.folder)
        except RayActorError as error:
            if job.id in self._cancelled:
                return build_end("stopped", INTERRUPTED)
            reason = str(error).strip().splitlines()[0]
            return build_end(
                "failed", 1, error=f"The job's process died (out of memory?): {reason}"
            )
        finally:
            self._cancelled.discard(job.id)

    def _end(self, job: Job, end: dict[str, Any]) -> None:
        try:
            _update_status(job, state=end["state"], exit_code=end["exit_code"], ended=time.time())
            _events(job).write("end", **end)
        finally:
            self._locks.pop(job.id).close()


def _events(job: Job) -> Events:
    return Events(job.folder / "events.jsonl")


def _update_status(job: Job, **changes: Any) -> None:
    path = job.folder / "status.json"
    folder.write(path, folder.load(path) | {"runner": os.getpid()} | changes)
