"""What the machines of a cluster have to share, looked at before anything starts.

The tracking store is not among it: one process writes to it, on the machine of the person, so that a
local file will do wherever the workers are. Checkpoints are: a worker on another machine writes them,
and this machine reads them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from workbench.errors import ClusterError

_ANSWER_S = 60.0


def select_remote_nodes(nodes: list[dict[str, Any]], ours: set[str]) -> list[dict[str, Any]]:
    """The nodes of Ray that run workers and are on other machines.

    Args:
        nodes: as `ray.nodes()` gives them.
        ours: addresses of this machine.
    """
    return [
        node
        for node in nodes
        if node["Alive"]
        and node["Resources"].get("CPU", 0) > 0
        and node["NodeManagerAddress"] not in ours
    ]


def list_own_addresses() -> set[str]:
    """The addresses of this machine."""
    return {each.address for some in psutil.net_if_addrs().values() for each in some}


def check_storage(folder: str) -> None:
    """Refuse a folder for checkpoints that a node on another machine does not see.

    Args:
        folder: a local folder, which is made if need be; a URL is not looked at.

    Raises:
        ClusterError: names the nodes, and the way out.
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
        task = ray.remote(num_cpus=0)(_sees)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".seen-") as marker:
            asked = {
                task.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ).remote(marker.name): node["NodeManagerAddress"]
                for node in others
            }
            done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
            seen = {asked[ref] for ref in done if ray.get(ref)}
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    if blind := sorted(set(asked.values()) - seen):
        raise ClusterError(
            f"Checkpoints go to {path}, which workers on other machines must see too, and "
            f"{', '.join(blind)} {'does' if len(blind) == 1 else 'do'} not. Set cluster.storage to "
            "a folder that all of them share, or to a URL such as s3://bucket/checkpoints. (The "
            "tracking store may stay a local file: only this machine writes to it.)"
        )


def _sees(path: str) -> bool:
    import os

    return os.path.exists(path)
