"""Starts Spark on the Ray of this process, through RayDP."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import ray_private, spark_private
from workbench.cluster.config import ClusterConfig
from workbench.cluster.executors import keep_executors
from workbench.cluster.java import Java
from workbench.errors import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_BRIEF_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For the JVMs of the driver and of RayDP's master. The optimising compiler takes a third of the CPU time of
a start on two cores, and pays off only where a JVM computes."""

_WORKING_JVM = (
    "-XX:+UseSerialGC -XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
"""For executors. The optimising compiler waits for ten times as many calls as by default: it then compiles what
runs over rows, and not what a start calls. Without it, describing a million rows takes 1.5 to 1.7 times as long."""

_NO_EARLY_COLLECTION = "-Dray.job.jvm-options.0=-XX:MetaspaceSize=256m"
"""For the JVM of RayDP's master. Loading classes must not start a garbage collection there: it would end
executors that Ray has restarted (see `executors`)."""


@contextmanager
def start_spark(
    config: ClusterConfig, java: Java, home: Path, log_path: Path, *, ui: bool = False
) -> Iterator[SparkSession]:
    """Run Spark on the Ray of this process until the block ends.

    Args:
        ui: whether Spark shows its own pages, to this machine only.

    Raises:
        ClusterError: Ray has too little free, or Spark did not start.
    """
    import raydp

    check_resources(config, get_free_resources(config))
    if ui:
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"  # it would listen to the whole network
    # Executors start Python workers with this interpreter, and so with the same packages.
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    own_jvm = not spark_private.has_jvm()
    try:
        spark = raydp.init_spark(
            app_name=f"workbench-{os.getpid()}",
            num_executors=config.num_executors,
            executor_cores=config.executor_cores,
            executor_memory=config.executor_memory,
            placement_group_strategy=config.placement,
            configs=_spark_settings(config, java, home) | {"spark.ui.enabled": str(ui).lower()},
        )
    except Exception as error:
        raise ClusterError(f"Spark did not start on Ray: {error} (log: {log_path})") from error
    spark.sparkContext.setLogLevel("WARN")
    try:
        # With dynamic allocation Spark itself asks for executors.
        with nullcontext() if config.max_executors else keep_executors(spark, config.num_executors):
            yield spark
    finally:
        raydp.stop_spark()
        if own_jvm:
            spark_private.end_jvm()


def get_free_resources(config: ClusterConfig) -> dict[str, float]:
    """What Ray has free now plus what its autoscaler can still add, by resource."""
    import ray

    free: dict[str, float] = dict(ray.available_resources())
    for name, more in (get_room_to_grow(config, ray.nodes()) if config.on_cluster else {}).items():
        free[name] = free.get(name, 0) + more
    return free


def get_room_to_grow(config: ClusterConfig, nodes: list[dict[str, Any]]) -> dict[str, float]:
    """What Ray's autoscaler can still add, by resource; empty where Ray does not know.

    Args:
        nodes: from `ray.nodes()`.
    """
    if config.topology == "spark":
        running = [n["Resources"] for n in nodes if n["Alive"] and n["Resources"].get("CPU", 0) > 0]
        missing = max(0, config.spark.max_nodes - len(running)) if running else 0
        return {name: missing * running[0].get(name, 0) for name in ("CPU", "GPU") if missing}
    import ray

    have = ray.cluster_resources()
    most = ray_private.get_most_resources()
    return {name: max(0.0, value - have.get(name, 0)) for name, value in most.items()}


def check_resources(
    config: ClusterConfig, free: dict[str, float], *, executors: bool = True
) -> None:
    """Refuse what does not fit: Ray and Spark would wait for the resources for ever.

    Args:
        free: resource name to amount.
        executors: whether Spark's executors have still to start.

    Raises:
        ClusterError: there is too little of a resource.
    """
    needed = {
        "CPU": config.num_workers * config.cpus_per_worker,
        "GPU": config.num_workers * config.gpus_per_worker,
    }
    for name, amount in config.worker_resources.items():
        needed[name] = needed.get(name, 0) + config.num_workers * amount
    if executors:
        needed["CPU"] += config.spark_cpus
        for name, amount in config.executor_resources.items():
            needed[name] = needed.get(name, 0) + config.num_executors * amount
    for name, amount in needed.items():
        if amount > free.get(name, 0) + 1e-6:
            custom = name not in ("CPU", "GPU")
            raise ClusterError(
                f"The experiment needs {amount:g} {name} ({config.num_workers} workers"
                f"{f' and {config.num_executors} executors' if executors else ''}) and Ray has "
                f"{free.get(name, 0):g} free. "
                + (
                    f"Correct cluster.worker_resources or cluster.executor_resources, or start "
                    f"nodes with that resource (ray start --resources='{{\"{name}\": 1}}')."
                    if custom
                    else "Lower cluster.num_workers, cluster.cpus_per_worker or "
                    "cluster.gpus_per_worker, or free the cluster."
                )
            )


def _spark_settings(config: ClusterConfig, java: Java, home: Path) -> dict[str, str]:
    tasks = config.num_executors * config.executor_cores
    brief = f"{java.options} {_BRIEF_JVM}".strip()
    executor = "spark.ray.raydp_spark_executor.actor.resource"
    return {
        "spark.ray.raydp_app_master.extraJavaOptions": f"{brief} {_NO_EARLY_COLLECTION}",
        "spark.driver.extraJavaOptions": brief,
        "spark.executor.extraJavaOptions": java.options
        if config.on_cluster
        else f"{java.options} {_WORKING_JVM}".strip(),
        f"{executor}.cpu": str(config.executor_cpus),
        **{f"{executor}.{name}": str(amount) for name, amount in config.executor_resources.items()},
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": str(2 * tasks),
        # Rows are large, and a task holds a whole partition.
        "spark.sql.files.maxPartitionBytes": "16m",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(home / "spark-warehouse"),
        **(_cluster_settings() if config.on_cluster else {"spark.local.dir": str(home / "spark")}),
        **(_dynamic_settings(config) if config.max_executors else {}),
    }


def _cluster_settings() -> dict[str, str]:
    """Keep RayDP's master on this machine: elsewhere it would end with the node it was placed on."""
    import ray

    here = f"node:{ray.util.get_node_ip_address()}"
    master = "spark.ray.raydp_spark_master.actor.resource"
    return {f"{master}.CPU": "0", f"{master}.{here}": "0.001"}


def _dynamic_settings(config: ClusterConfig) -> dict[str, str]:
    """Let the number of executors change; RayDP's shuffle service keeps the output of those that ended."""
    name = "spark.dynamicAllocation"
    return {
        f"{name}.enabled": "true",
        f"{name}.minExecutors": str(config.num_executors),
        f"{name}.initialExecutors": str(config.num_executors),
        f"{name}.maxExecutors": str(config.max_executors),
        "spark.shuffle.service.enabled": "true",
    }
