"""Runs whose process is gone are killed runs, whatever the store says."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import psutil
from mlflow import MlflowClient
from mlflow.entities import ViewType

HOST, PID, STARTED = "workbench.host", "workbench.pid", "workbench.started"


def close(client: MlflowClient) -> list[str]:
    """Mark RUNNING runs of this host whose process ended as KILLED; their ids.

    Runs of other hosts, of living processes and of other programs are left alone.
    """
    experiments = [e.experiment_id for e in client.search_experiments(max_results=1000)]
    if not experiments:
        return []
    closed = []
    running = client.search_runs(
        experiments,
        f"attributes.status = 'RUNNING' AND tags.`{HOST}` = '{socket.gethostname()}'",
        ViewType.ACTIVE_ONLY,
        max_results=1000,
    )
    for run in running:
        if not alive(run.data.tags):
            client.set_tag(run.info.run_id, "workbench.error", "Its process ended without a word.")
            client.set_terminated(run.info.run_id, "KILLED")
            closed.append(run.info.run_id)
    return closed


def alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that a run names still runs (and is no other with the same number)."""
    try:
        process = psutil.Process(int(tags[PID]))
        return abs(process.create_time() - float(tags[STARTED])) < 1
    except (KeyError, ValueError):
        return True  # not one of ours: nothing is known
    except psutil.NoSuchProcess:
        return False
