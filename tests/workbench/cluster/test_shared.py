"""Which nodes are other machines."""

from __future__ import annotations

from typing import Any

from workbench.cluster.shared import elsewhere, our_addresses


def node(address: str, cpus: float = 2, alive: bool = True) -> dict[str, Any]:
    return {"NodeManagerAddress": address, "Alive": alive, "Resources": {"CPU": cpus}}


def test_nodes_that_run_workers_on_other_machines() -> None:
    ours = our_addresses()
    assert "127.0.0.1" in ours
    here, there, head, gone = (
        node("127.0.0.1"), node("198.51.100.7"), node("198.51.100.8", 0), node("198.51.100.9", alive=False),
    )  # fmt: skip
    assert elsewhere([here, there, head, gone], ours) == [there]
