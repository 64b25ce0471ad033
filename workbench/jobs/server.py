"""The detached actor that a bench is: it owns Spark, the data prepared with it, and the queue.

Loading this module loads no torch: the keeper, which only creates the actor, stays small.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil
import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nets.config import from_dict, to_dict
from workbench.cluster.config import ClusterConfig
from workbench.cluster.java import find_java
from workbench.cluster.session import Session
from workbench.cluster.spark_start import start_spark
from workbench.cluster.terminal_logs import route_loggers, send_logs_to
from workbench.errors import ClusterError, WorkbenchError
from workbench.home import jobs_folder
from workbench.jobs import folder
from workbench.jobs import statefile as states
from workbench.jobs.folder import Job, Jobs
from workbench.jobs.reload import LoadedCode
from workbench.jobs.request import Request
from workbench.jobs.rpc import Server
from workbench.jobs.runner import CANCEL, JobProgress, Runner
from workbench.progress.events import Events

if TYPE_CHECKING:
    from workbench.bridge import Prepared

_STOP_S = 30.0
"""How long a job may take to end in order when the bench is stopped."""
_RUNNER_JOBS, _RUNNER_BYTES = 50, 2**30
"""After so many jobs, or grown by so much, the runner's process is replaced: libraries leak."""


class Resident:
    """One bench. Ray calls `start` and `prepare`; clients ask over the socket."""

    def __init__(
        self, base: str, cluster: dict[str, Any], log: str, dashboards: bool, since_ns: int
    ) -> None:
        self.dashboards = dashboards
        self.base, self.log = Path(base), Path(log)
        self.config = from_dict(ClusterConfig, cluster)
        self.jobs = Jobs(jobs_folder(self.base))
        self._stack = ExitStack()
        self._locks: dict[str, IO[bytes]] = {}
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._running: Job | None = None
        self._cancelled: set[str] = set()
        self._sources: dict[str, str] = {}
        self._code = LoadedCode(since_ns)
        self._ending = False
        self._preparing = False

    def start(self) -> tuple[int, str | None]:
        """Spark, the runner's process and the socket; this process's id, and Spark's pages."""
        events = Events(states.folder(self.base) / "start.jsonl")
        self._stack.enter_context(send_logs_to(self.log))
        java = find_java()
        java.use()
        self._begin_runner()  # loads its libraries while Spark starts
        ray.data.DataContext.get_current().enable_progress_bars = False
        events.stage("Starting Spark on Ray")
        spark = self._stack.enter_context(
            start_spark(self.config, java, self.base, self.log, ui=self.dashboards)
        )
        route_loggers()
        self.bench = Session(
            config=self.config,
            spark=spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=java,
            log_path=self.log,
        )
        events.stage("Warming up")
        importlib.import_module("workbench.bridge.preparation")  # not by the first job
        self._meet_runner()
        events.stage_done()
        self._server = Server(states.folder(self.base), self._answer)
        threading.Thread(target=self._work, name="jobs", daemon=True).start()
        return os.getpid(), spark.sparkContext.uiWebUrl

    def prepare(
        self, data: dict[str, Any], preparation: dict[str, Any], folder: str, cwd: str
    ) -> Prepared:
        """Prepare data, once; what is told of it goes to the job in `folder`."""
        from nets.prepare import PreparationConfig
        from workbench.bridge import prepare
        from workbench.data.config import DataConfig

        self._preparing = True
        os.chdir(cwd)
        try:
            with JobProgress(Path(folder)) as progress:
                prepared = prepare(
                    from_dict(DataConfig, data),
                    from_dict(PreparationConfig, preparation),
                    self.bench,
                    progress=progress,
                )
            source = data["source"]
            self._sources[prepared.fingerprint] = f"{source['kind']} {source.get('path') or ''}"
            return prepared
        finally:
            self._preparing = False

    # ---- what clients ask

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        answers: dict[str | None, Callable[..., dict[str, Any]]] = {
            "describe": self._describe,
            "submit": self._submit,
            "cancel": self._cancel,
            "down": self._down,
        }
        do = request.pop("do", None)
        if do not in answers:
            raise WorkbenchError(
                f"The bench answers to {', '.join(map(str, answers))}, got {do!r}."
            )
        return answers[do](**request)

    def _describe(self) -> dict[str, Any]:
        with self._changed:
            running = self._running.id if self._running else None
            waiting = [job.id for job in self._waiting]
        me = psutil.Process()
        return {
            "running": running,
            "waiting": waiting,
            "prepared": [
                _described(prepared) | {"source": self._sources.get(name, "").strip()}
                for name, prepared in list(self.bench.prepared.items())
            ],
            "memory": {"actor": me.memory_info().rss, "runner": _rss(self._runner_pid)},
            "pids": {"actor": me.pid, "runner": self._runner_pid},
            "free": ray.available_resources(),
            "total": ray.cluster_resources(),
        }

    def _submit(self, request: dict[str, Any]) -> dict[str, Any]:
        asked = Request.from_dict(request)
        with self._changed:
            if self._ending:
                raise ClusterError("The bench is being stopped.")
            cwd = Path(asked.cwd or Path.cwd())
            job = self.jobs.new(
                asked.command, asked.title, cwd, resident=True, request=asked.as_dict()
            )
            self._locks[job.id] = (job.folder / "alive").open("wb")
            fcntl.flock(self._locks[job.id], fcntl.LOCK_EX)
            if ahead := len(self._waiting) + (self._running is not None):
                Events(job.folder / "events.jsonl").note(
                    f"Queued as job {job.id}, {ahead} before it."
                )
            self._waiting.append(job)
            self._changed.notify_all()
        return {"job": job.id}

    def _cancel(self, job: str, now: bool = False) -> dict[str, Any]:
        with self._changed:
            queued = next((j for j in self._waiting if j.id == job), None)
            if queued is not None:
                self._waiting.remove(queued)
                self._end(queued, _ended("stopped", 130))
                return {"state": "stopped"}
            if self._running is None or self._running.id != job:
                raise WorkbenchError(f"Job {job} is neither running nor queued here.")
            self._cancelled.add(job)
            (self._running.folder / CANCEL).touch()  # seen where the signal comes too early
            if self._runner_pid:
                os.kill(self._runner_pid, signal.SIGKILL if now else signal.SIGINT)
        if self._preparing:
            self.bench.spark.sparkContext.cancelAllJobs()
        return {"state": "stopping"}

    def _down(self) -> dict[str, Any]:
        (states.folder(self.base) / "down").touch(mode=0o600)
        threading.Thread(target=self._stop, name="down").start()
        return {"state": "stopping"}

    def _stop(self) -> None:
        """End the jobs, then Spark, then this process; the keeper sees to the rest."""
        with self._changed:
            self._ending = True
            queued, running = list(self._waiting), self._running
        for job in queued:
            with suppress(WorkbenchError):
                self._cancel(job.id)
        for now in (False, True):
            if running is not None and self._running is not None:
                with suppress(WorkbenchError):  # it ended in this moment
                    self._cancel(running.id, now=now)
                with self._changed:
                    self._changed.wait_for(lambda: self._running is None, timeout=_STOP_S)
        self._server.close()
        try:
            self._stack.close()
        finally:
            os._exit(0)

    # ---- the queue

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                job = self._running = self._waiting.popleft()
            try:
                end = self._run(job)
            except Exception as error:  # nothing that goes wrong with a job may end the queue
                end = _ended("failed", 1, error=f"{type(error).__name__}: {error}")
            try:
                with self._changed:
                    self._running = None
                    self._changed.notify_all()
                    self._end(job, end)
            except OSError:  # a full disk: the job's lock is given back, and that tells its end
                traceback.print_exc()
            try:
                self._renew_runner()
            except Exception:  # tried again when there is a job, and told to who asked for it
                self._runner_pid = 0
                traceback.print_exc()

    def _run(self, job: Job) -> dict[str, Any]:
        if changed := self._code.changed_files():
            Events(job.folder / "events.jsonl").note(
                f"Changed since the bench started: {changed[0]}. The bench prepares data with the "
                "old code; `workbench down` and `workbench up` load the new."
            )
        if self._runner_is_old():
            Events(job.folder / "events.jsonl").stage("Loading the libraries")
            self._replace_runner()
        self._tell(job, state="running", started=time.time())
        try:
            end: dict[str, Any] = ray.get(self._runner.run.remote(str(job.folder)))
            return end
        except RayActorError as error:
            self._begin_runner()
            if job.id in self._cancelled:
                return _ended("stopped", 130)
            why = str(error).strip().splitlines()[0]
            return _ended("failed", 1, error=f"The job's process died (out of memory?): {why}")
        finally:
            self._cancelled.discard(job.id)

    def _end(self, job: Job, end: dict[str, Any]) -> None:
        try:
            self._tell(job, state=end["state"], exit_code=end["exit_code"], ended=time.time())
            Events(job.folder / "events.jsonl").write("end", **end)
        finally:
            self._locks.pop(job.id).close()

    def _tell(self, job: Job, **changes: Any) -> None:
        path = job.folder / "status.json"
        folder.write(path, folder.load(path) | {"runner": os.getpid()} | changes)

    # ---- the runner: the process that jobs run in

    def _begin_runner(self) -> None:
        self._runner_jobs = 0
        me = ray.get_runtime_context().current_actor
        # On this machine, whose files and tracking store the jobs use.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        runner: Any = ray.remote(Runner).options(
            num_cpus=0, max_restarts=0, scheduling_strategy=here
        )
        self._runner = runner.remote(
            me, str(self.base), to_dict(self.config), str(self.log), time.time_ns()
        )
        self._runner_pid = 0

    def _runner_is_old(self) -> bool:
        """Whether it died, or files that it loaded have changed."""
        try:
            return self._runner_pid == 0 or bool(ray.get(self._runner.changed_files.remote()))
        except RayActorError:
            return True

    def _meet_runner(self) -> None:
        self._runner_pid = ray.get(self._runner.ready.remote())
        self._runner_rss = _rss(self._runner_pid)

    def _replace_runner(self) -> None:
        ray.kill(self._runner)
        self._begin_runner()
        self._meet_runner()

    def _renew_runner(self) -> None:
        """A fresh process where the old one died or has grown."""
        self._runner_jobs += 1
        if self._runner_pid == 0:
            self._meet_runner()
        elif (
            self._runner_jobs >= _RUNNER_JOBS
            or _rss(self._runner_pid) - self._runner_rss > _RUNNER_BYTES
        ):
            self._replace_runner()


def _ended(state: str, exit_code: int, **more: Any) -> dict[str, Any]:
    return {"state": state, "exit_code": exit_code, "error": None, "result": None} | more


def _described(prepared: Prepared) -> dict[str, Any]:
    return {
        "fingerprint": prepared.fingerprint,
        "rows": {name: split.num_rows for name, split in prepared.splits.items()},
        "bytes": prepared.record.get("bytes"),
        "shape": list(prepared.spec.shape),
    }


def _rss(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except psutil.NoSuchProcess:
        return 0
