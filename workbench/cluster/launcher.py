"""The process with the application on the user's Spark cluster, and Ray in its executors.

    python -m workbench.cluster.launcher DESCRIPTOR < settings.json

It reads `cluster.spark` as one line of JSON from its input. To the descriptor it writes lines of JSON
with `stage`, `address` or `error`. It ends when its input ends: with the process that started it.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from nets.config import from_dict
from workbench import spark_private
from workbench.cluster import package_check
from workbench.cluster.config import SparkClusterConfig, parse_size
from workbench.cluster.java import find_java
from workbench.cluster.ray_token import use_token
from workbench.errors import ClusterError

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

_EXECUTORS_S = 120.0
"""How long Spark may take to start the first executors."""
_HEAD_S = 60.0
"""How long Ray's head may take to answer."""


def main() -> int:
    """Start Spark and Ray, wait until the input ends, stop them in reverse order."""
    with os.fdopen(int(sys.argv[1]), "w", buffering=1) as events:

        def tell(**event: str) -> None:
            events.write(json.dumps(event) + "\n")

        config = from_dict(SparkClusterConfig, json.loads(sys.stdin.readline()))
        try:
            with ExitStack() as stack:
                tell(address=start(stack, config, lambda text: tell(stage=text)))
                sys.stdin.read()
        except Exception as error:
            tell(error=str(error) if isinstance(error, ClusterError) else _explain(error))
            raise
    return 0


def start(stack: ExitStack, config: SparkClusterConfig, stage: Callable[[str], None]) -> str:
    """Start Ray in the executors of the Spark cluster until the stack closes; returns its address.

    Raises:
        ClusterError: Spark does not answer or starts no executors, or they have other packages.
    """
    master = str(config.master)
    check_master(master)
    use_token()
    find_java().use()
    spark = _open_spark(config)
    stack.callback(spark.stop)
    sparkcontext: SparkContext = spark.sparkContext
    number = config.min_nodes or config.max_nodes
    if sparkcontext.getConf().get("spark.dynamicAllocation.enabled") == "true":
        number = 1
    cores = wait_for_executors(spark, number, master)
    stage(f"Comparing the packages of {len(cores)} executors with this machine's")
    here, there = package_check.describe_python(), describe_executors(spark, sum(cores))
    package_check.check_same_packages(here, there, "Spark's executors")
    os.environ["WORKBENCH_NODES_PATH"] = build_nodes_path([here, *there])
    os.environ["RAY_ON_SPARK_START_HOOK"] = "workbench.cluster.start_hook.StartHook"
    stage(f"Starting Ray in the executors of {master}")
    return _start_ray(stack, config, spark, min(cores))


def check_master(master: str) -> None:
    """Fail in seconds where Spark would retry for a minute.

    Raises:
        ClusterError: no master of a standalone cluster answers.
    """
    standalone = re.fullmatch(r"spark://(.+)", master)
    if not standalone:
        return
    reason = ""
    for address in standalone[1].split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as error:
            reason = str(error)
    raise ClusterError(
        f"No Spark master answers at {master} ({reason}). Start one there "
        "($SPARK_HOME/sbin/start-master.sh), or correct cluster.spark.master."
    )


def build_spark_settings(config: SparkClusterConfig) -> dict[str, str]:
    """Settings of the Spark application for Ray's nodes; `config.settings` overrides them."""
    settings = {
        "spark.ui.enabled": "false",  # it would listen to the whole network
        "spark.ui.showConsoleProgress": "false",
        "spark.speculation": "false",  # a task is a Ray node, however long it takes
        "spark.driver.host": _find_own_address(str(config.master)),
        "spark.executor.instances": str(config.max_nodes),
    }
    settings["spark.driver.bindAddress"] = settings["spark.driver.host"]
    if config.cpus_per_node is not None:
        settings["spark.executor.cores"] = str(config.cpus_per_node)
        settings["spark.cores.max"] = str(config.cpus_per_node * config.max_nodes)
    if config.memory_per_node is not None:
        # Beside the heap: YARN and Kubernetes kill an executor that takes more than both together.
        settings["spark.executor.memoryOverhead"] = config.memory_per_node
    if config.gpus_per_node:
        settings["spark.executor.resource.gpu.amount"] = str(config.gpus_per_node)
    return settings | config.settings


def _open_spark(config: SparkClusterConfig) -> SparkSession:
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["PYSPARK_PYTHON"] = config.settings.get("spark.pyspark.python", sys.executable)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(str(config.master)).appName("workbench: Ray's nodes")
    for name, value in build_spark_settings(config).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    return spark


def wait_for_executors(spark: SparkSession, number: int, master: str) -> list[int]:
    """Wait until Spark has started `number` executors; returns the cores of each.

    Raises:
        ClusterError: it has started none within two minutes.
    """
    deadline = time.monotonic() + _EXECUTORS_S
    while True:
        cores = spark_private.list_executor_cores(spark)
        if len(cores) >= number:
            return cores
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if cores:
        return cores  # too few nodes: the check of what an experiment needs reports that
    sizes = {
        name: value
        for name, value in spark.sparkContext.getConf().getAll()
        if name.startswith(("spark.executor.", "spark.cores.")) and "Java" not in name
    }
    raise ClusterError(
        f"Spark at {master} started no executor within {_EXECUTORS_S:.0f} s: its workers are busy, or "
        f"too small for {sizes}. See the pages of that Spark; lower cluster.spark.cpus_per_node or "
        "spark.executor.memory in cluster.spark.settings."
    )


def describe_executors(spark: SparkSession, tasks: int) -> list[dict[str, Any]]:
    """What `package_check.describe_python` gives in each executor, once for each machine and Python.

    Raises:
        ClusterError: no Python can be started there, or one of another version.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark import cloudpickle

    # By value: it must run on a machine that lacks this program.
    cloudpickle.register_pickle_by_value(package_check)
    describe = package_check.describe_python
    try:
        rows = spark.sparkContext.parallelize(range(tasks), tasks)
        answers = rows.map(lambda _: describe()).collect()
    except Py4JJavaError as error:
        raise ClusterError(_explain_python(str(error.java_exception))) from error
    finally:
        cloudpickle.unregister_pickle_by_value(package_check)
    return list({(each["host"], each["prefix"]): each for each in answers}.values())


def _explain_python(error: str) -> str:
    python = os.environ["PYSPARK_PYTHON"]
    if "Cannot run program" in error:
        return (
            f"Spark's executors have no Python at {python}. Install the environment of this machine "
            "at the same path there, or name theirs: spark.pyspark.python in cluster.spark.settings."
        )
    pattern = r"PYTHON_VERSION_MISMATCH.*?\(?(\d+[.,] ?\d+)\)?.*?(\d+\.\d+)"
    if versions := re.search(pattern, error, re.S):
        return (
            f"Spark's executors run Python {versions[1].replace(', ', '.')} ({python}), and this "
            f"machine {versions[2]}. They must be the same: name a Python {versions[2]} of theirs as "
            "spark.pyspark.python in cluster.spark.settings."
        )
    return f"Spark's executors could not run Python: {error.strip().splitlines()[0]}"


def build_nodes_path(machines: list[dict[str, Any]]) -> str:
    """The PATH of Ray's nodes: folders of `ray` and `java` on each machine, then each machine's own PATH.

    All nodes get the same PATH; folders that a machine lacks do no harm.
    """
    parts: list[str] = []
    for each in machines:
        parts.append(os.path.dirname(each["executable"]))
        if each["java"]:
            parts.append(os.path.join(each["java"], "bin"))
    for each in machines:
        parts += each["path"].split(os.pathsep)
    return os.pathsep.join(dict.fromkeys(part for part in parts if part))


def _start_ray(
    stack: ExitStack, config: SparkClusterConfig, spark: SparkSession, cores: int
) -> str:
    from ray.util.spark import cluster_init, setup_ray_cluster, shutdown_ray_cluster

    # Ray waits 20 s for its head, then looks once. This looks again and again until it answers.
    cluster_init._RAY_HEAD_STARTUP_TIMEOUT = 0
    cluster_init.is_port_in_use = _answers_soon
    if str(config.master).startswith("k8s://"):
        # Ray refuses masters that it was not tested with, but all it runs there are plain Spark tasks.
        spark.sparkContext.master = "yarn"
    gpus = config.gpus_per_node
    if gpus is None:
        amount = spark.sparkContext.getConf().get("spark.executor.resource.gpu.amount", "0")
        gpus = int(float(str(amount)))
    memory = parse_size(config.memory_per_node) if config.memory_per_node else None
    address, _ = setup_ray_cluster(
        max_worker_nodes=config.max_nodes,
        min_worker_nodes=config.min_nodes or config.max_nodes,
        num_cpus_worker_node=config.cpus_per_node or cores,
        num_gpus_worker_node=gpus,
        memory_worker_node=memory and memory * 7 // 10,
        object_store_memory_worker_node=memory and memory * 3 // 10,
        head_node_options={"include_dashboard": False},
    )
    stack.callback(shutdown_ray_cluster)
    return str(address)


def _answers_soon(host: str, port: int) -> bool:
    deadline = time.monotonic() + _HEAD_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=5).close()
            return True
        except OSError:
            time.sleep(0.2)
    return False


def _find_own_address(master: str) -> str:
    """This machine's address, as the Spark cluster reaches it."""
    if master.startswith("local-cluster"):
        return "127.0.0.1"
    address = re.match(r"(?:spark|k8s)://(?:https?://)?\[?([^\],/]+?)\]?:(\d+)", master)
    import ray

    if address is None:
        return str(ray.util.get_node_ip_address())
    try:
        with socket.create_connection((address[1], int(address[2])), timeout=5) as connection:
            return str(connection.getsockname()[0])
    except OSError:
        return str(ray.util.get_node_ip_address())


def _explain(error: Exception) -> str:
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)  # type: ignore[arg-type]
    lines = [str(each).strip().splitlines()[0] for each in causes if str(each).strip()]
    return f"Ray did not start on Spark: {': '.join(dict.fromkeys(lines)) or type(error).__name__}"


if __name__ == "__main__":
    sys.exit(main())
