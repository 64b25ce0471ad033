"""One owner of Ray and Spark: starts them, hands them out, stops them in reverse order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from workbench.cluster.config import ClusterConfig
from workbench.cluster.java import Java, find_java
from workbench.cluster.ray_start import start_ray
from workbench.cluster.spark_start import check_resources, get_free_resources, start_spark
from workbench.cluster.storage_check import check_storage
from workbench.cluster.terminal_logs import new_log_path, route_loggers, send_logs_to
from workbench.errors import ClusterError
from workbench.home import home_folder, logs_folder
from workbench.progress import Progress, Silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_RELEASE_S = 5.0
_HANDOVER_CPUS = 1.0
"""Ray's tasks that take over data from Spark hold a CPU each."""


@dataclass(kw_only=True)
class Session:
    """Ray and Spark, running."""

    config: ClusterConfig
    spark: SparkSession
    """The Spark session; its executors are Ray actors."""
    ray_address: str
    """`host:port` of Ray's control service."""
    java: Java
    log_path: Path
    """Where everything Ray, Spark and the JVMs print goes."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each part took to start."""
    prepared: dict[str, Any] = field(default_factory=dict)
    """Data already converted, by fingerprint: the next experiment on the same data takes it as it is."""
    prepare: Callable[[Any, Any], Any] | None = None
    """Where Spark lives in another process: has data prepared there. (data, preparation) -> Prepared."""
    idle_workers: dict[tuple[float, float, tuple[tuple[str, float], ...]], Any] = field(
        default_factory=dict
    )
    """Idle training processes by the CPUs, GPUs and custom resources they hold; see `workbench.training.one_worker`."""

    def check(self, config: ClusterConfig, *, checkpoints: str | None = None) -> None:
        """Refuse an experiment whose workers would wait for ever, or write where nobody reads.

        Args:
            checkpoints: folder or URL that workers write and this process reads; None: nothing is.

        Raises:
            ClusterError: they do not fit into what Ray has free, now or within some seconds; or a
                node does not see the folder.
        """

        if checkpoints is not None and config.on_cluster:
            check_storage(checkpoints)
        deadline = time.monotonic() + _RELEASE_S
        while True:
            try:
                free = get_free_resources(self.config)
                for (
                    cpus,
                    gpus,
                    others,
                ) in self.idle_workers:  # idle, or given back when they do not fit
                    for name, held in (("CPU", cpus), ("GPU", gpus), *others):
                        free[name] = free.get(name, 0) + held
                return check_resources(config, free, executors=False)
            except ClusterError:
                # Ray keeps the resources of a finished task for a moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def has_room(self, cpus: float) -> bool:
        """Whether training processes that hold `cpus` leave Spark's hand-over to Ray enough.

        Of all that Ray has: what a process held that has just ended may still count as taken.
        """
        import ray

        return (
            ray.cluster_resources().get("CPU", 0) - self.config.spark_cpus - cpus >= _HANDOVER_CPUS
        )

    def make_room(self) -> None:
        """End idle training processes where the hand-over would wait for their CPUs for ever."""
        if self.idle_workers and not self.has_room(sum(cpus for cpus, *_ in self.idle_workers)):
            self.end_idle_workers()

    def end_idle_workers(self) -> None:
        """End the idle training processes, and give what they hold back to Ray."""
        import ray

        for worker in self.idle_workers.values():
            ray.kill(worker)
        self.idle_workers.clear()


OPEN_SESSIONS: dict[str, Session] = {}
"""The sessions that this process has open, by the id of their Spark application."""


@contextmanager
def open_session(
    config: ClusterConfig | None = None,
    *,
    progress: Progress | None = None,
    home: Path | None = None,
    checkpoints: str | None = None,
) -> Iterator[Session]:
    """Start (or join) Ray, start Spark on it, and stop whatever was started at the end.

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
        progress.stage("Starting Spark on Ray")
        began = time.perf_counter()
        spark = stack.enter_context(start_spark(config, java, home, log_path))
        seconds["spark"] = time.perf_counter() - began
        progress.stage_done()
        route_loggers()
        # Noted while Ray is up: after its shutdown, orphans are nobody's children.
        stack.callback(lambda: started.update(set(me.children(recursive=True)) - before))
        import ray

        name = spark.sparkContext.applicationId
        OPEN_SESSIONS[name] = Session(
            config=config,
            spark=spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=java,
            log_path=log_path,
            seconds=seconds,
        )
        stack.callback(OPEN_SESSIONS.pop, name)
        yield OPEN_SESSIONS[name]


bench = open_session
"""The name it had before version 0.2."""


def terminate(processes: set[psutil.Process]) -> None:
    """Kill what was started and did not stop: a JVM can outlive its parent's goodbye."""
    _, alive = psutil.wait_procs(processes, timeout=3)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)
