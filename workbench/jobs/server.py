"""The detached Ray actor that owns a bench's Spark, prepared data and queue.

Loading this module loads no torch: the supervisor, which only creates the actor, stays small.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import ray

from nets.config import from_dict, to_dict
from workbench.cluster import (
    ClusterConfig,
    Session,
    find_java,
    route_loggers,
    send_logs_to,
    start_spark,
)
from workbench.errors import WorkbenchError
from workbench.home import bench_folder, jobs_folder
from workbench.jobs.folder import Jobs
from workbench.jobs.queue import JobQueue
from workbench.jobs.reload import LoadedCode
from workbench.jobs.request import Request
from workbench.jobs.rpc import SocketServer
from workbench.jobs.runner import Asked, JobProgress
from workbench.jobs.runner_process import RunnerProcess, memory_bytes
from workbench.progress.events import Events

if TYPE_CHECKING:
    from nets.prepare import PreparationConfig
    from workbench.bridge import Prepared
    from workbench.data import DataConfig
    from workbench.progress import Progress


class BenchServer:
    """One bench. Ray calls `start`, `prepare` and `describe_data`; clients send requests over the socket.

    Args:
        since_ns: a time before this process loaded the program, in ns since the epoch.
    """

    def __init__(
        self, base: str, cluster: dict[str, Any], log: str, dashboards: bool, since_ns: int
    ) -> None:
        self.dashboards = dashboards
        self.base, self.log = Path(base), Path(log)
        self.config = from_dict(ClusterConfig, cluster)
        self._code = LoadedCode(since_ns)
        self._stack = ExitStack()
        self._sources: dict[str, str] = {}
        self._in_spark = False

    def start(self) -> tuple[int, str | None]:
        """Start Spark, the runner's process and the socket.

        Returns:
            This process's id, and the address of Spark's pages.
        """
        events = Events(bench_folder(self.base) / "start.jsonl")
        self._stack.enter_context(send_logs_to(self.log))
        java = find_java()
        java.use()
        me = ray.get_runtime_context().current_actor
        # Loads its libraries while Spark starts.
        self._runner = RunnerProcess(me, str(self.base), to_dict(self.config), str(self.log))
        ray.data.DataContext.get_current().enable_progress_bars = False
        events.stage("Starting Spark on Ray")
        spark = self._stack.enter_context(
            start_spark(self.config, java, self.base, self.log, ui=self.dashboards)
        )
        route_loggers()
        self.session = Session(
            config=self.config,
            get_spark=lambda: spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=java,
            log_path=self.log,
        )
        events.stage("Warming up")
        importlib.import_module("workbench.bridge.preparation")  # so that the first job need not
        self._runner.wait_until_ready()
        events.stage_done()
        self._queue = JobQueue(
            Jobs(jobs_folder(self.base)), self._runner, self._code, self._cancel_spark
        )
        self._socket = SocketServer(bench_folder(self.base), self._answer)
        self._queue.start()
        return os.getpid(), spark.sparkContext.uiWebUrl

    def prepare(self, asked: Asked, storage: str | None) -> Prepared:
        """Prepare data once."""
        from workbench.bridge import prepare

        with self._at_work(asked) as (data, preparation, progress):
            prepared = prepare(data, preparation, self.session, progress=progress, storage=storage)
        source = asked.data["source"]
        self._sources[prepared.fingerprint] = f"{source['kind']} {source.get('path') or ''}"
        return prepared

    def describe_data(self, asked: Asked, name: str | None, samples: str | None) -> dict[str, Any]:
        """Describe data.

        Args:
            name: as the person named it; None: an experiment's.
            samples: file for its contact sheet; None: no sheet.
        """
        from workbench.preflight.named import describe_named

        with self._at_work(asked) as (data, preparation, progress):
            description = describe_named(
                name,
                data,
                preparation,
                self.session.spark,
                samples=None if samples is None else Path(samples),
                progress=progress,
            )
        return asdict(description)

    @contextmanager
    def _at_work(self, asked: Asked) -> Iterator[tuple[DataConfig, PreparationConfig, Progress]]:
        """The settings, and the job's progress; what the block does in Spark can be cancelled."""
        from nets.custom import receive_parts
        from nets.prepare import PreparationConfig
        from workbench.data import DataConfig
        from workbench.spark_errors import name_spark_failure

        self._in_spark = True
        os.chdir(asked.cwd)
        receive_parts(asked.parts)
        try:
            with JobProgress(asked.folder) as progress, name_spark_failure():
                yield (
                    from_dict(DataConfig, asked.data),
                    from_dict(PreparationConfig, asked.preparation),
                    progress,
                )
        finally:
            self._in_spark = False

    def _cancel_spark(self) -> None:
        if self._in_spark:
            self.session.spark.sparkContext.cancelAllJobs()

    # ---- requests of clients

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        methods: dict[str | None, Callable[..., dict[str, Any]]] = {
            "describe": self._describe,
            "submit": self._submit,
            "cancel": self._cancel,
            "down": self._down,
        }
        name = request.pop("do", None)
        if name not in methods:
            raise WorkbenchError(
                f"A request to the bench is one of {', '.join(map(str, methods))}, got {name!r}."
            )
        return methods[name](**request)

    def _describe(self) -> dict[str, Any]:
        running, waiting = self._queue.job_ids()
        me = psutil.Process()
        return {
            "running": running,
            "waiting": waiting,
            "prepared": [
                _describe_prepared(prepared) | {"source": self._sources.get(name, "").strip()}
                for name, prepared in list(self.session.prepared.items())
            ],
            "memory": {
                "actor": me.memory_info().rss,
                "runner": memory_bytes(self._runner.pid),
            },
            "pids": {"actor": me.pid, "runner": self._runner.pid},
            "free": ray.available_resources(),
            "total": ray.cluster_resources(),
        }

    def _submit(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"job": self._queue.submit(Request.from_dict(request)).id}

    def _cancel(self, job: str, now: bool = False) -> dict[str, Any]:
        return {"state": self._queue.cancel(job, now=now)}

    def _down(self) -> dict[str, Any]:
        (bench_folder(self.base) / "down").touch(mode=0o600)
        threading.Thread(target=self._stop, name="down").start()
        return {"state": "stopping"}

    def _stop(self) -> None:
        """End the jobs, then Spark, then this process; the supervisor ends the rest."""
        self._queue.close()
        self._socket.close()
        try:
            self._stack.close()
        finally:
            os._exit(0)


def _describe_prepared(prepared: Prepared) -> dict[str, Any]:
    return {
        "fingerprint": prepared.fingerprint,
        "rows": {name: split.num_rows for name, split in prepared.splits.items()},
        "bytes": prepared.record.get("bytes"),
        "shape": list(prepared.spec.shape),
    }
