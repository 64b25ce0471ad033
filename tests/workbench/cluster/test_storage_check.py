"""Which nodes are other machines, and how many can still be added."""

from __future__ import annotations

from typing import Any

from workbench.cluster import ClusterConfig
from workbench.cluster.config import SparkClusterConfig
from workbench.cluster.spark_start import get_room_to_grow
from workbench.cluster.storage_check import list_own_addresses, select_remote_nodes


def node(address: str, cpus: float = 2, alive: bool = True) -> dict[str, Any]:
    return {"NodeManagerAddress": address, "Alive": alive, "Resources": {"CPU": cpus}}


def test_nodes_that_run_workers_on_other_machines() -> None:
    ours = list_own_addresses()
    assert "127.0.0.1" in ours
    here, there = node("127.0.0.1"), node("198.51.100.7")
    head, gone = node("198.51.100.8", 0), node("198.51.100.9", alive=False)
    assert select_remote_nodes([here, there, head, gone], ours) == [there]


def test_nodes_that_spark_can_still_add_are_counted() -> None:
    config = ClusterConfig(topology="spark", spark=SparkClusterConfig(master="yarn", max_nodes=3))
    nodes = [node("198.51.100.1", 0), node("198.51.100.2", 4), node("198.51.100.3", 4, alive=False)]
    assert get_room_to_grow(config, nodes) == {"CPU": 8, "GPU": 0}
    assert get_room_to_grow(config, [nodes[1]] * 3) == {}
    assert get_room_to_grow(config, nodes[:1]) == {}  # their size is not known yet
