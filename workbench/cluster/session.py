"""Starts Ray and Spark together, and stops them in reverse order."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from workbench.cluster.config import ClusterConfig
from workbench.cluster.java import Java, find_java
from workbench.cluster.lost_ray import check_not_lost
from workbench.cluster.ray_start import start_ray
from workbench.cluster.spark_start import check_resources, get_free_resources, start_spark
from workbench.cluster.storage_check import check_storage
from workbench.cluster.terminal_logs import new_log_path, route_loggers, send_logs_to
from workbench.errors import ClusterError
from workbench.home import home_folder, logs_folder
from workbench.progress import Progress, Silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_Resources = tuple[float, float, tuple[tuple[str, float], ...]]
"""CPUs, GPUs and custom resources by name."""
_RELEASE_S = 5.0
"""Ray counts the resources of a finished task as taken for a moment."""
_TRANSFER_CPUS = 1.0
"""CPUs of a Ray task that takes data over from Spark."""


@dataclass(kw_only=True)
class Session:
    """A Ray and a Spark that run together."""

    config: ClusterConfig
    get_spark: Callable[[], SparkSession]
    """Gives the Spark session, and starts it first where that was not needed so far."""
    ray_address: str
    """`host:port` of Ray's control service."""
    java: Java | None
    """What Spark runs on; None: in a server (Spark Connect)."""
    log_path: Path
    """The file with all that Ray, Spark and the JVMs print."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long Ray took to start, and Spark where it was started."""
    prepared: dict[str, Any] = field(default_factory=dict)
    """Prepared data by fingerprint; the next experiment on the same data uses it again."""
    prepare: Callable[[Any, Any, str | None], Any] | None = None
    """Prepares data in another process, where Spark is there: (data, preparation, storage) -> Prepared. None: Spark is here."""
    idle_workers: dict[_Resources, Any] = field(default_factory=dict)
    """Idle training processes by the resources they hold; see `workbench.training.one_worker`."""

    @property
    def spark(self) -> SparkSession:
        """The Spark session; its executors are Ray actors. It starts when it is first asked for."""
        return self.get_spark()

    def check(self, config: ClusterConfig, *, checkpoints: str | None = None) -> None:
        """Refuse an experiment whose workers would wait for ever, or would write checkpoints nobody can read.

        Args:
            checkpoints: folder or URL that workers write and this process reads; None: they write none.

        Raises:
            ClusterError: Ray is gone; or has too little free for them, now and for the next seconds;
                or a node does not see the folder.
        """
        check_not_lost(self.ray_address)
        if checkpoints is not None and config.on_cluster:
            check_storage(checkpoints)
        deadline = time.monotonic() + _RELEASE_S
        while True:
            try:
                free = get_free_resources(self.config)
                for cpus, gpus, others in self.idle_workers:  # they are used again, or ended
                    for name, amount in (("CPU", cpus), ("GPU", gpus), *others):
                        free[name] = free.get(name, 0) + amount
                return check_resources(config, free, executors=False)
            except ClusterError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def has_room(self, cpus: float) -> bool:
        """Whether training processes with `cpus` leave enough for Ray to take data over from Spark.

        Counted from all of Ray's CPUs: those of a process that has just ended may not be free yet.
        """
        import ray

        all_cpus = ray.cluster_resources().get("CPU", 0)
        return all_cpus - self.config.spark_cpus - cpus >= _TRANSFER_CPUS

    def make_room(self) -> None:
        """End the idle training processes if taking data over from Spark would wait for their CPUs."""
        if self.idle_workers and not self.has_room(sum(cpus for cpus, *_ in self.idle_workers)):
            self.end_idle_workers()

    def end_idle_workers(self) -> None:
        """End the idle training processes; Ray gets their resources back.

        Raises:
            ClusterError: Ray is gone.
        """
        check_not_lost(self.ray_address)
        import ray

        for worker in self.idle_workers.values():
            ray.kill(worker)
        self.idle_workers.clear()


OPEN_SESSIONS: dict[str, Session] = {}
"""The open sessions of this process, by the id of their Spark application."""


@contextmanager
def open_session(
    config: ClusterConfig | None = None,
    *,
    progress: Progress | None = None,
    home: Path | None = None,
    checkpoints: str | None = None,
) -> Iterator[Session]:
    """Start or join Ray, and stop at the end what was started. Spark starts when it is asked for.

    A training on data that is prepared already needs no Spark.

    Args:
        home: folder for the logs and for what Spark keeps on disk; default: `home_folder()`.
        checkpoints: folder or URL that workers will write and this process read; a node that does
            not see it is refused before Spark starts.

    Raises:
        ClusterError: no usable Java, no Ray at the address, no Spark cluster at the master, nodes
            with other packages, or fewer resources than asked for.
    """
    config = config or ClusterConfig()
    progress = progress or Silent()
    java = find_java()
    home = (home or home_folder()).resolve()
    log_path = new_log_path(logs_folder(home))
    seconds: dict[str, float] = {}
    with ExitStack() as stack:
        java.use()
        stack.enter_context(send_logs_to(log_path))
        me = psutil.Process()
        before, started = set(me.children(recursive=True)), set[psutil.Process]()
        stack.callback(terminate, started)
        began = time.perf_counter()
        stack.enter_context(start_ray(config, log_path, stage=progress.stage))
        if checkpoints is not None and config.on_cluster:
            check_storage(checkpoints)
        seconds["ray"] = time.perf_counter() - began
        check_resources(config, get_free_resources(config))
        progress.stage_done()
        route_loggers()

        def list_started() -> None:
            # While Ray runs: after its shutdown, orphans are no longer children of this process.
            started.update(set(me.children(recursive=True)) - before)

        @functools.cache
        def get_spark() -> SparkSession:
            progress.stage("Starting Spark on Ray")
            began = time.perf_counter()
            spark = stack.enter_context(start_spark(config, java, home, log_path))
            seconds["spark"] = time.perf_counter() - began
            progress.stage_done()
            route_loggers()
            stack.callback(list_started)
            name = spark.sparkContext.applicationId
            OPEN_SESSIONS[name] = session
            stack.callback(OPEN_SESSIONS.pop, name)
            return spark

        import ray

        session = Session(
            config=config,
            get_spark=get_spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=java,
            log_path=log_path,
            seconds=seconds,
        )
        stack.callback(list_started)
        yield session


bench = open_session
"""An older name of `open_session`, for programs that use it."""


def terminate(processes: set[psutil.Process]) -> None:
    """Wait for processes to end, and kill those that do not: a JVM can outlive its parent."""
    _, alive = psutil.wait_procs(processes, timeout=3)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)
