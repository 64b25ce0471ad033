"""Spark, on the Ray of this process, through RayDP."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.cluster.config import ClusterConfig
from workbench.cluster.java import Java
from workbench.errors import ClusterError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_BRIEF_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For JVMs that live for minutes: the optimising compiler alone takes a third of all the CPU time of
a start on two cores, and earns it back only after longer."""


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
            placement_group_strategy=config.placement,
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
    wanted = {
        "CPU": config.num_workers * config.cpus_per_worker,
        "GPU": config.num_workers * config.gpus_per_worker,
    }
    for name, amount in config.worker_resources.items():
        wanted[name] = wanted.get(name, 0) + config.num_workers * amount
    if executors:
        wanted["CPU"] += config.held_cpus
        for name, amount in config.executor_resources.items():
            wanted[name] = wanted.get(name, 0) + config.num_executors * amount
    for name, amount in wanted.items():
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
        "spark.ray.raydp_app_master.extraJavaOptions": brief,
        "spark.driver.extraJavaOptions": brief,
        "spark.executor.extraJavaOptions": java.options if config.joins else brief,
        f"{executor}.cpu": str(config.executor_cpus),
        **{f"{executor}.{name}": str(amount) for name, amount in config.executor_resources.items()},
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": str(2 * tasks),
        # Samples are large rows, and a task holds a partition.
        "spark.sql.files.maxPartitionBytes": "16m",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(home / "spark-warehouse"),
        **(_joined_settings() if config.joins else {"spark.local.dir": str(home / "spark")}),
        **(_dynamic_settings(config) if config.max_executors else {}),
    }


def _joined_settings() -> dict[str, str]:
    """The application's master beside this process: it would end with whichever node it fell on."""
    import ray

    here = f"node:{ray.util.get_node_ip_address()}"
    master = "spark.ray.raydp_spark_master.actor.resource"
    return {f"{master}.CPU": "0", f"{master}.{here}": "0.001"}


def _dynamic_settings(config: ClusterConfig) -> dict[str, str]:
    """Executors that come and go; what they leave for others to read is served by RayDP's service."""
    name = "spark.dynamicAllocation"
    return {
        f"{name}.enabled": "true",
        f"{name}.minExecutors": str(config.num_executors),
        f"{name}.initialExecutors": str(config.num_executors),
        f"{name}.maxExecutors": str(config.max_executors),
        "spark.shuffle.service.enabled": "true",
    }
