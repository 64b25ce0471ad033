"""Marks runs as killed whose process has ended."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import psutil
from mlflow import MlflowClient
from mlflow.entities import ViewType

from tracking.series import BEST

HOST, PID, STARTED = "workbench.host", "workbench.pid", "workbench.started"

_CREATED_S = 1.0
"""Two processes with the same id were created further apart than this."""


def close(client: MlflowClient) -> list[str]:
    """Mark RUNNING runs of this host whose process ended as KILLED, and return their ids.

    Runs of other hosts, of living processes and of other programs are left alone.
    """
    closed: list[str] = []
    for run in _running_here(client):
        if not alive(run.data.tags):
            client.set_tag(run.info.run_id, "workbench.error", "Its process ended without a word.")
            client.set_terminated(run.info.run_id, "KILLED", end_time=_last_sign(client, run))
            closed.append(run.info.run_id)
    return closed


def _running_here(client: MlflowClient) -> list[Any]:
    experiments = [e.experiment_id for e in client.search_experiments(max_results=1000)]
    if not experiments:
        return []
    return list(
        client.search_runs(
            experiments,
            f"attributes.status = 'RUNNING' AND tags.`{HOST}` = '{socket.gethostname()}'",
            ViewType.ACTIVE_ONLY,
            max_results=1000,
        )
    )


def _last_sign(client: MlflowClient, run: Any) -> int:
    """Time of its last metric, else of its start; milliseconds since the epoch."""
    name = next((name for name in run.data.metrics if not name.startswith(BEST)), None)
    if name is None:
        return int(run.info.start_time)
    return max(point.timestamp for point in client.get_metric_history(run.info.run_id, name))


def alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that a run names still runs, and is not another one with the same id."""
    try:
        process = psutil.Process(int(tags[PID]))
        same = abs(process.create_time() - float(tags[STARTED])) < _CREATED_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (KeyError, ValueError):
        return True  # a run of another program: it may be alive
    except psutil.NoSuchProcess:
        return False
