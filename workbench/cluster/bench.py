"""One owner of Ray and Spark: starts them, hands them out, stops them in reverse order."""

from __future__ import annotations

import math
import os
import re
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from workbench.cluster.config import ClusterConfig
from workbench.cluster.java import Java, find_java
from workbench.cluster.terminal_logs import logs_to, new_log_path, route_loggers
from workbench.cluster.token import protect_token
from workbench.errors import ClusterError
from workbench.progress import Progress, Silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HOME = Path(os.environ.get("WORKBENCH_HOME", ".workbench"))
"""Folder for logs, checkpoints and the embedded tracking store."""

_RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers keep the directory the command was started in: relative data paths stay valid.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # A heartbeat a second is plenty for jobs of minutes, and cheap for jobs of seconds.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # Prints nothing to a dashboard that is not there.
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "1000",
}

_RELEASE_S = 5.0
_HANDOVER_CPUS = 1.0
"""Ray's tasks that take over data from Spark hold a CPU each."""


_BRIEF_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For JVMs that live for minutes: the optimising compiler alone takes a third of all the CPU time of
a start on two cores, and earns it back only after longer."""


@dataclass(kw_only=True)
class Bench:
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
    warm: dict[tuple[float, float], Any] = field(default_factory=dict)
    """Idle training processes by the (CPUs, GPUs) they hold; see `workbench.warm`."""

    def check(self, config: ClusterConfig) -> None:
        """Refuse an experiment whose workers would wait for ever.

        Raises:
            ClusterError: they do not fit into what Ray has free, now or within some seconds.
        """
        import ray

        deadline = time.monotonic() + _RELEASE_S
        while True:
            try:
                free = ray.available_resources()
                for cpus, gpus in self.warm:  # idle, or given back when they do not fit
                    free["CPU"] = free.get("CPU", 0) + cpus
                    free["GPU"] = free.get("GPU", 0) + gpus
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

        executors = self.config.num_executors * self.config.executor_cpus
        return ray.cluster_resources().get("CPU", 0) - executors - cpus >= _HANDOVER_CPUS

    def make_room(self) -> None:
        """End idle training processes where the hand-over would wait for their CPUs for ever."""
        if self.warm and not self.has_room(sum(cpus for cpus, _ in self.warm)):
            self.release()

    def release(self) -> None:
        """End the idle training processes, and give what they hold back to Ray."""
        import ray

        for worker in self.warm.values():
            ray.kill(worker)
        self.warm.clear()


OPEN: dict[str, Bench] = {}
"""The benches that this process has open, by the id of their Spark application."""


@contextmanager
def bench(
    config: ClusterConfig | None = None, *, progress: Progress | None = None, home: Path = HOME
) -> Iterator[Bench]:
    """Start (or join) Ray, start Spark on it, and stop whatever was started at the end.

    Raises:
        ClusterError: no usable Java, no Ray at the address, or fewer resources than asked for.
    """
    config = config or ClusterConfig()
    progress = progress or Silent()
    java = find_java()
    home = home.resolve()
    log_path = new_log_path(home / "logs")
    seconds: dict[str, float] = {}
    with ExitStack() as stack:
        java.use()
        stack.enter_context(logs_to(log_path))
        me = psutil.Process()
        before, started = set(me.children(recursive=True)), set[psutil.Process]()
        stack.callback(terminate, started)
        progress.stage("Starting Ray" if config.address == "local" else f"Joining {config.address}")
        began = time.perf_counter()
        stack.enter_context(start_ray(config, log_path))
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
        OPEN[name] = Bench(
            config=config,
            spark=spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=java,
            log_path=log_path,
            seconds=seconds,
        )
        stack.callback(OPEN.pop, name)
        yield OPEN[name]


@contextmanager
def start_ray(
    config: ClusterConfig,
    log_path: Path,
    *,
    namespace: str | None = None,
    dashboard: bool = False,
) -> Iterator[str | None]:
    """Ray as the configuration says, started or joined, until the block ends.

    Args:
        namespace: where its actors with names are; None: one that nobody else has.
        dashboard: have a Ray that is started show its own pages, on this machine only.

    Yields:
        Where Ray shows its pages; None where it does not.

    Raises:
        ClusterError: it could not be started or joined.
    """
    for name, value in _RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    if config.address == "local":
        # Loopback, because whoever reaches Ray's port runs code as this user. This variable is
        # Ray's switch for it ("local only", its default on macOS), for the processes it starts;
        # here Ray may have been imported, and the variable read, before.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        protect_token()
    import ray
    from ray._private import ray_constants

    if config.address == "local":
        ray_constants.ENABLE_RAY_CLUSTER = False

    if ray.is_initialized():
        raise ClusterError(
            "Ray is already running in this process. Leave the open bench (or call "
            "ray.shutdown()) before another one is opened."
        )
    where: dict[str, Any]
    if config.address == "local":
        # Spark's executors idle while nets train: what they hold comes on top of the machine's CPUs.
        cpus = (os.cpu_count() or 1) + math.ceil(config.num_executors * config.executor_cpus)
        where = {"address": "local", "include_dashboard": dashboard, "num_cpus": cpus}
    else:
        _check_reachable(config.address)
        where = {"address": config.address}
    try:
        # A namespace of its own: RayDP's executors are actors with fixed names.
        namespace = namespace or f"workbench-{uuid.uuid4().hex[:8]}"
        context = ray.init(**where, namespace=namespace, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"Ray at {config.address!r} could not be started or joined: {error} (log: {log_path})"
        ) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield f"http://{context.dashboard_url}" if context.dashboard_url else None
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Fail in seconds, where Ray's own client would retry for a minute."""
    if address == "auto":
        return
    match = re.fullmatch(r"(?:ray://)?\[?([^\]]+?)\]?:(\d+)", address)
    if match is None:
        raise ClusterError(f"cluster.address must be local, auto or host:port, got {address!r}.")
    try:
        socket.create_connection((match[1], int(match[2])), timeout=5).close()
    except OSError as error:
        raise ClusterError(
            f"No Ray cluster answers at {address} ({error}). Start one there with "
            "`ray start --head`, correct cluster.address, or leave it at 'local'."
        ) from None


@contextmanager
def start_spark(
    config: ClusterConfig, java: Java, home: Path, log_path: Path, *, ui: bool = False
) -> Iterator[SparkSession]:
    """Spark on the Ray of this process, until the block ends.

    Args:
        ui: have Spark show its own pages, on this machine only.

    Raises:
        ClusterError: Ray has not enough to give, or Spark did not start.
    """
    import ray
    import raydp

    check_resources(config, ray.available_resources())
    if ui:
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # it would listen to the whole network
    # Executors start Python workers: the same interpreter, with the same packages.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    try:
        spark = raydp.init_spark(
            app_name=f"workbench-{os.getpid()}",
            num_executors=config.num_executors,
            executor_cores=config.executor_cores,
            executor_memory=config.executor_memory,
            configs=_spark_settings(config, java, home) | {"spark.ui.enabled": str(ui).lower()},
        )
    except Exception as error:
        raise ClusterError(f"Spark did not start on Ray: {error} (log: {log_path})") from error
    spark.sparkContext.setLogLevel("WARN")
    try:
        yield spark
    finally:
        raydp.stop_spark()


def check_resources(
    config: ClusterConfig, free: dict[str, float], *, executors: bool = True
) -> None:
    """Ray and Spark wait for ever for resources that Ray does not have; say so instead.

    Args:
        free: resource name to amount.
        executors: whether Spark's executors are still to be started.

    Raises:
        ClusterError: something asked for does not fit.
    """
    held = config.num_executors * config.executor_cpus if executors else 0
    wanted = {
        "CPU": held + config.num_workers * config.cpus_per_worker,
        "GPU": config.num_workers * config.gpus_per_worker,
    }
    for name, amount in wanted.items():
        if amount > free.get(name, 0) + 1e-6:
            raise ClusterError(
                f"The experiment needs {amount:g} {name} ({config.num_workers} workers"
                f"{f' and {config.num_executors} executors' if executors else ''}) and Ray has "
                f"{free.get(name, 0):g} free. Lower cluster.num_workers, cluster.cpus_per_worker "
                "or cluster.gpus_per_worker, or free the cluster."
            )


def _spark_settings(config: ClusterConfig, java: Java, home: Path) -> dict[str, str]:
    tasks = config.num_executors * config.executor_cores
    brief = f"{java.options} {_BRIEF_JVM}".strip()
    return {
        "spark.ray.raydp_app_master.extraJavaOptions": brief,
        "spark.driver.extraJavaOptions": brief,
        "spark.executor.extraJavaOptions": brief if config.address == "local" else java.options,
        "spark.ray.raydp_spark_executor.actor.resource.cpu": str(config.executor_cpus),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": str(2 * tasks),
        # Samples are large rows, and a task holds a partition.
        "spark.sql.files.maxPartitionBytes": "16m",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(home / "spark-warehouse"),
        "spark.local.dir": str(home / "spark"),
    }


def terminate(processes: set[psutil.Process]) -> None:
    """Kill what was started and did not stop: a JVM can outlive its parent's goodbye."""
    _, alive = psutil.wait_procs(processes, timeout=3)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)
