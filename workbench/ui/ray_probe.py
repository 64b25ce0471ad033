"""`python -m workbench.ui.ray_probe HOST:PORT`: a Ray cluster's state as one line of JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import ray
from ray.util.state import list_actors


def main(address: str) -> None:
    """Join Ray, print its state, leave."""
    ray.init(address=address, log_to_driver=False, logging_level="ERROR", namespace="workbench-ui")
    state = {
        "nodes": [_node(node) for node in ray.nodes()],
        "total": ray.cluster_resources(),
        "free": ray.available_resources(),
        "actors": _actors(),
    }
    print(json.dumps(state))
    ray.shutdown()


def _node(node: dict[str, Any]) -> dict[str, Any]:
    has = node["Resources"]
    return {
        "address": node["NodeManagerAddress"],
        "alive": node["Alive"],
        "CPUs": has.get("CPU", 0.0),
        "GPUs": has.get("GPU", 0.0),
        "memory GiB": round(has.get("memory", 0) / 2**30, 2),
        "object store GiB": round(has.get("object_store_memory", 0) / 2**30, 2),
    }


def _actors() -> list[dict[str, Any]]:
    """Living actors; none where Ray runs without the service that lists them."""
    try:
        living = list_actors(limit=200, filters=[("state", "=", "ALIVE")], timeout=5)
    except Exception:
        return []
    return [{"class": a.class_name, "name": a.name or "", "pid": a.pid} for a in living]


if __name__ == "__main__":
    main(sys.argv[1])
