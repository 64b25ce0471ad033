"""The bench that is up, for commands and the UI. Loads nothing heavy."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import ClusterError, WorkbenchError
from workbench.home import bench_folder, home_folder, jobs_folder
from workbench.jobs import statefile
from workbench.jobs.folder import Job, Jobs, load
from workbench.jobs.request import Kind, Request
from workbench.jobs.rpc import call
from workbench.jobs.statefile import State
from workbench.jobs.status import check_bench, find_state
from workbench.progress import Progress
from workbench.progress.events import follow, replay

_DOWN_S = 60.0
_CLEANUP_S = 15.0
"""How long the supervisor of a bench that was killed may take to clean up."""


class JobError(WorkbenchError):
    """A job on the bench failed; it brings its own message and exit code."""

    def __init__(self, message: str, exit_code: int, log: Path | None) -> None:
        super().__init__(message)
        self.exit_code, self.log = exit_code, log


@dataclass(frozen=True, kw_only=True)
class End:
    """How a job ended."""

    state: str
    """finished, failed or stopped."""
    exit_code: int
    result: dict[str, Any] | None
    """A `TrainResult` or `SweepResult` as a dict; None without a result."""
    shown: dict[str, str]
    """name, metric and mode of the experiment."""


class Client:
    """Sends requests to the bench that is up."""

    def __init__(self, state: State, base: Path | None = None) -> None:
        self.state = state
        self.base = base or home_folder()
        self.jobs = Jobs(jobs_folder(self.base))

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Send one request and return the answer.

        Raises:
            ClusterError: the bench has gone. WorkbenchError: the bench refused.
        """
        return call(bench_folder(self.base), {"do": method, **arguments})

    def describe(self) -> dict[str, Any]:
        """The bench's jobs, prepared data, processes and free resources."""
        return self.call("describe")

    def submit(self, request: Request) -> Job:
        """Queue a job."""
        return self.jobs.read(self.call("submit", request=request.as_dict())["job"])

    def cancel(self, job_id: str, *, now: bool = False) -> None:
        """End a job as Ctrl-C does; `now` kills its processes."""
        self.call("cancel", job=job_id, now=now)

    def run(self, request: Request, progress: Progress) -> End:
        """Submit a job and follow it. Ctrl-C cancels the job; a second Ctrl-C kills it.

        Raises:
            JobError: the job failed. ClusterError: the bench went away.
        """
        return self.follow(self.submit(request), progress, cancel=True)

    def follow(self, job: Job, progress: Progress, *, cancel: bool = False) -> End:
        """Show a job's progress from its start until it ends.

        Args:
            cancel: Ctrl-C cancels the job; otherwise Ctrl-C only stops following it.

        Raises:
            JobError: the job failed. ClusterError: the bench went away.
        """
        shown: dict[str, str] = {}
        with self._cancel_on_signal(job, progress) if cancel else nullcontext():
            alive = job.folder / "alive"  # locked by the bench until the job has ended
            for line in follow(job.folder / "events.jsonl", lambda: statefile.is_locked(alive)):
                if line["what"] == "experiment":
                    shown = line["shown"]
                    if rank_by := getattr(progress, "rank_by", None):
                        rank_by(shown["metric"], shown["mode"])
                elif line["what"] == "end":
                    return _read_end(line, shown, job)
                else:
                    replay(line, progress)
        self._wait_until_gone(_CLEANUP_S)
        if find_state(self.base) is None:
            raise ClusterError(f"The bench ended, and job {job.id} with it.")
        raise ClusterError(
            f"Job {job.id} ended and did not report how; is the disk full? See {job.folder}."
        )

    @contextmanager
    def _cancel_on_signal(self, job: Job, progress: Progress) -> Iterator[None]:
        """Ctrl-C and `kill` cancel the job; the block goes on until the job has ended."""
        signals = 0

        def cancel(*_: Any) -> None:
            nonlocal signals
            signals += 1
            if signals > 2:
                raise KeyboardInterrupt
            first = signals == 1
            progress.note("Stopping; Ctrl-C again stops at once." if first else "Stopping now.")
            with suppress(WorkbenchError):
                self.cancel(job.id, now=not first)

        before = {
            number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def down(self) -> bool:
        """Stop the bench and wait until all its processes have ended.

        Returns:
            Whether it stopped by itself; otherwise its processes were killed.

        Raises:
            ClusterError: a process could not be ended.
        """
        with suppress(ClusterError):
            self.call("down")
        in_order = self._wait_until_gone(_DOWN_S)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._wait_until_gone(0):
                break
            with suppress(ProcessLookupError):
                os.kill(self.state.pid, number)
            self._wait_until_gone(10)
        if statefile.is_alive(self.base):
            raise ClusterError(
                f"The bench's process {self.state.pid} does not end. See {self.state.log}."
            )
        statefile.remove(self.base)
        return in_order

    def _wait_until_gone(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while statefile.is_alive(self.base):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def connect(base: Path | None = None) -> Client | None:
    """A client of the bench that is up; None without one. Changes nothing, raises nothing."""
    state = check_bench(base).bench
    return None if state is None else Client(state, base)


def find_bench(base: Path | None = None) -> Client | None:
    """A client of the bench that is up; None without one.

    Raises:
        ClusterError: the bench is starting, ending or gone; see `find_state`.
    """
    state = find_state(base)
    return None if state is None else Client(state, base)


def find_bench_for(kind: Kind, progress: Progress) -> Client | None:
    """The bench that is up and takes such a job. None without one, and where a description would wait
    for another job; why is noted."""
    try:
        bench = find_bench()
    except ClusterError as error:
        progress.note(str(error))
        return None
    if bench is not None and kind == "describe" and (job := bench.describe()["running"]):
        progress.note(f"The bench runs job {job}; a Spark of its own reads the data.")
        return None
    return bench


def stop_job(jobs: Jobs, job_id: str, *, now: bool = False) -> None:
    """End a job as Ctrl-C does, wherever it runs; `now` kills it and what it started.

    Raises:
        WorkbenchError: no job has that id, or the bench refused.
    """
    job = jobs.read(job_id)
    if not job.live:
        return
    if job.resident:
        bench = connect(jobs.folder.resolve().parent)
        if bench is not None:
            bench.cancel(job.id, now=now)
        return
    runner = load(job.folder / "status.json").get("runner")
    if isinstance(runner, int) and statefile.is_locked(job.folder / "alive"):
        with suppress(ProcessLookupError):
            os.kill(runner, signal.SIGTERM if now else signal.SIGINT)


def _read_end(line: Mapping[str, Any], shown: dict[str, str], job: Job) -> End:
    if line["state"] == "failed":
        raise JobError(line["error"], line["exit_code"], job.folder / "log")
    return End(
        state=line["state"],
        exit_code=line["exit_code"],
        result=line.get("result"),
        shown=shown,
    )
