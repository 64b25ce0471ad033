"""Checks that all machines of a cluster see the folder for checkpoints and prepared data.

Workers on other machines write checkpoints, and this machine reads them. The tracking store need not be
shared: only this process writes to it, so a local file is enough.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from workbench.errors import ClusterError
from workbench.spark_session import list_own_addresses

_ANSWER_S = 60.0


def select_remote_nodes(nodes: list[dict[str, Any]], ours: set[str]) -> list[dict[str, Any]]:
    """The nodes of Ray on other machines that can run workers.

    Args:
        nodes: from `ray.nodes()`.
        ours: addresses of this machine.
    """
    return [
        node
        for node in nodes
        if node["Alive"]
        and node["Resources"].get("CPU", 0) > 0
        and node["NodeManagerAddress"] not in ours
    ]


def check_storage(folder: str) -> None:
    """Refuse a folder for checkpoints that a node on another machine does not see.

    Args:
        folder: a local folder, made where it is missing; a URL is not checked.

    Raises:
        ClusterError: names the nodes and what to do.
    """
    import ray
    from ray import cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    if "://" in folder and not folder.startswith("file://"):
        return
    others = select_remote_nodes(ray.nodes(), list_own_addresses())
    if not others:
        return
    path = Path(folder.removeprefix("file://"))
    path.mkdir(parents=True, exist_ok=True)
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        task = ray.remote(num_cpus=0)(_exists)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".seen-") as marker:
            addresses = {
                task.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ).remote(marker.name): node["NodeManagerAddress"]
                for node in others
            }
            done, _ = ray.wait(list(addresses), num_returns=len(addresses), timeout=_ANSWER_S)
            seeing = {addresses[ref] for ref in done if ray.get(ref)}
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    if blind := sorted(set(addresses.values()) - seeing):
        raise ClusterError(
            f"Checkpoints and prepared data go to {path}, which workers on other machines must see too, and "
            f"{', '.join(blind)} {'does' if len(blind) == 1 else 'do'} not. Set cluster.storage to "
            "a folder that all of them share, or to a URL such as s3://bucket/checkpoints. (The "
            "tracking store may stay a local file: only this machine writes to it.)"
        )


def _exists(path: str) -> bool:
    import os

    return os.path.exists(path)
