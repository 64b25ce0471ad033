"""The bench that is up, as a command or the UI sees it. Loads nothing heavy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import ClusterError, WorkbenchError
from workbench.home import bench_folder, home_folder, jobs_folder
from workbench.jobs import statefile as states
from workbench.jobs.folder import Job, Jobs, load
from workbench.jobs.request import Request
from workbench.jobs.rpc import ask
from workbench.jobs.statefile import State
from workbench.progress import Progress
from workbench.progress.events import follow, replay

INTERRUPTED = 130
_DOWN_S = 60.0
_DIE_S = 15.0
"""How long the keeper of a bench that was killed may take to clean up."""


class JobError(WorkbenchError):
    """A job on the bench failed; message and exit code are its own."""

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
    """What `TrainResult` or `SweepResult` holds; None where there is none."""
    shown: dict[str, str]
    """name, metric and mode of the experiment."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a look for a bench comes to."""

    what: Literal["none", "starting", "up", "ending", "gone"]
    text: str = ""
    """For a person: the stage of the start, or why it is gone or did not start."""
    client: Client | None = None
    """The way to one that is up."""


def look(base: Path | None = None) -> Sight:
    """Whether a bench is up; changes nothing."""
    known = states.read(base)
    if states.alive(base):
        if known is None:
            return Sight(what="starting", text=_last_stage(base))
        if known.ended:
            return Sight(what="ending")
        return Sight(what="up", client=Client(known, base))
    if known is None:
        return Sight(what="none", text=_start_error(base))
    when = time.strftime("%d %b %H:%M", time.localtime(known.started))
    why = known.ended or "its process ended without a word (killed, or the machine was restarted)"
    text = f"The bench that was up since {when} is gone: {why}. Log: {known.log}."
    return Sight(what="gone", text=text)


def find(base: Path | None = None) -> Client | None:
    """The bench that is up; None where none is.

    Raises:
        ClusterError: one is starting or ending, or it went away; the message tells what to do. The
            state file of one that went away is removed, so that the next look finds none.
    """
    sight = look(base)
    if sight.what in ("starting", "ending"):
        raise ClusterError(f"A bench is {sight.what}. Try again in some seconds.")
    if sight.what == "gone":
        states.forget(base)
        raise ClusterError(f"{sight.text} `workbench up` starts another.")
    return sight.client


def _started(base: Path | None) -> list[dict[str, Any]]:
    """What the last start told."""
    path = bench_folder(base) / "start.jsonl"
    return list(follow(path, lambda: False))


def _last_stage(base: Path | None) -> str:
    stages = [event["name"] for event in _started(base) if event["what"] == "stage"]
    return stages[-1] if stages else "Loading the libraries"


def _start_error(base: Path | None) -> str:
    ends = [event["error"] for event in _started(base) if event["what"] == "end"]
    return (ends[-1] or "") if ends else ""


class Client:
    """Asks the bench that is up."""

    def __init__(self, state: State, base: Path | None = None) -> None:
        self.state = state
        self.base = base or home_folder()
        self.jobs = Jobs(jobs_folder(self.base))

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """One request.

        Raises:
            ClusterError: the bench has gone. WorkbenchError: it refused.
        """
        return ask(states.folder(self.base), {"do": do, **request})

    def describe(self) -> dict[str, Any]:
        """What the bench holds and does."""
        return self.ask("describe")

    def submit(self, request: Request) -> Job:
        """Queue a job."""
        return self.jobs.job(self.ask("submit", request=request.as_dict())["job"])

    def cancel(self, job_id: str, *, now: bool = False) -> None:
        """End a job as Ctrl-C does; `now` kills its processes."""
        self.ask("cancel", job=job_id, now=now)

    def run(self, request: Request, progress: Progress) -> End:
        """Submit a job and follow it; Ctrl-C cancels it, twice at once.

        Raises:
            JobError: the job failed. ClusterError: the bench went away.
        """
        return self.follow(self.submit(request), progress, cancel=True)

    def follow(self, job: Job, progress: Progress, *, cancel: bool = False) -> End:
        """Tell what a job has done so far and does, until it ends.

        Args:
            cancel: whether Ctrl-C cancels the job; otherwise it only ends the following.

        Raises:
            JobError: the job failed. ClusterError: the bench went away.
        """
        shown: dict[str, str] = {}
        with self._cancelling(job, progress) if cancel else _as_it_is():
            alive = job.folder / "alive"  # locked by the bench until the job has ended
            for event in follow(job.folder / "events.jsonl", lambda: states.locked(alive)):
                if event["what"] == "experiment":
                    shown = event["shown"]
                    if rank := getattr(progress, "rank_by", None):
                        rank(shown["metric"], shown["mode"])
                elif event["what"] == "end":
                    return _end(event, shown, job)
                else:
                    replay(event, progress)
        self._gone(_DIE_S)
        if find(self.base) is None:
            raise ClusterError(f"The bench ended, and job {job.id} with it.")
        raise ClusterError(
            f"Job {job.id} ended without a word; is the disk full? See {job.folder}."
        )

    @contextmanager
    def _cancelling(self, job: Job, progress: Progress) -> Iterator[None]:
        """Ctrl-C and `kill` cancel the job; following goes on until it has ended."""
        asked = 0

        def interrupted(*_: Any) -> None:
            nonlocal asked
            asked += 1
            if asked > 2:
                raise KeyboardInterrupt
            progress.note(
                "Stopping; Ctrl-C again stops at once." if asked == 1 else "Stopping now."
            )
            with suppress(WorkbenchError):
                self.cancel(job.id, now=asked > 1)

        before = {
            number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def down(self) -> bool:
        """Stop the bench and wait until nothing of it is left; whether that was in order.

        Raises:
            ClusterError: something could not be ended.
        """
        with suppress(ClusterError):
            self.ask("down")
        in_order = self._gone(_DOWN_S)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._gone(0):
                break
            with suppress(ProcessLookupError):
                os.kill(self.state.pid, number)
            self._gone(10)
        if states.alive(self.base):
            raise ClusterError(
                f"The bench's process {self.state.pid} does not end. See {self.state.log}."
            )
        states.forget(self.base)
        return in_order

    def _gone(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while states.alive(self.base):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def stop(jobs: Jobs, job_id: str, *, now: bool = False) -> None:
    """Ask a job to end, as Ctrl-C does; `now` kills it and what it started. Wherever it runs.

    Raises:
        WorkbenchError: there is none of that id, or the bench refused.
    """
    job = jobs.job(job_id)
    if not job.live:
        return
    if job.resident:
        bench = look(jobs.folder.resolve().parent).client
        if bench is not None:
            bench.cancel(job.id, now=now)
        return
    runner = load(job.folder / "status.json").get("runner")
    if isinstance(runner, int) and states.locked(job.folder / "alive"):
        with suppress(ProcessLookupError):
            os.kill(runner, signal.SIGTERM if now else signal.SIGINT)


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _end(event: Mapping[str, Any], shown: dict[str, str], job: Job) -> End:
    if event["state"] == "failed":
        raise JobError(event["error"], event["exit_code"], job.folder / "log")
    return End(
        state=event["state"],
        exit_code=event["exit_code"],
        result=event.get("result"),
        shown=shown,
    )


def begin(
    cluster: Mapping[str, Any] | None = None,
    base: Path | None = None,
    *,
    dashboards: bool = False,
) -> subprocess.Popen[bytes]:
    """Start the keeper of a bench, which outlives this process; do not wait for it.

    Args:
        cluster: its `cluster` settings, as `nets.config.to_dict` gives them.
        dashboards: have Ray and Spark show their own pages, on this machine only.

    Raises:
        ClusterError: one is up or starting.
    """
    base = base or home_folder()
    if states.alive(base):
        raise ClusterError("A bench is up or starting here; `workbench down` stops it.")
    states.forget(base)
    (states.folder(base) / "start.jsonl").unlink(missing_ok=True)
    asked = json.dumps({"cluster": dict(cluster or {}), "dashboards": dashboards})
    with (states.folder(base) / "keeper.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "workbench.jobs.supervisor", asked],
            env=os.environ | {"WORKBENCH_HOME": str(base)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )


def up(
    cluster: Mapping[str, Any],
    progress: Progress,
    base: Path | None = None,
    *,
    dashboards: bool = False,
) -> State:
    """Start a bench and wait until it can take jobs.

    Raises:
        ClusterError: one is up or starting, or Ray or Spark could not be started.
    """
    base = base or home_folder()
    keeper = begin(cluster, base, dashboards=dashboards)
    start = states.folder(base) / "start.jsonl"
    try:
        for event in follow(start, lambda: keeper.poll() is None):
            if event["what"] != "end":
                replay(event, progress)
            elif event["error"]:
                raise ClusterError(event["error"])
    except BaseException:
        keeper.terminate()
        keeper.wait()
        raise
    known = states.read(base)
    if known is None or keeper.poll() is not None:
        said = (states.folder(base) / "keeper.log").read_text(errors="replace").splitlines()
        raise ClusterError(f"The bench ended while it started: {(said or ['no reason given'])[-1]}")
    return known
