"""Start a bench: a supervisor process that outlives the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import ClusterError
from workbench.home import home_folder
from workbench.jobs import statefile
from workbench.jobs.statefile import State
from workbench.progress import Progress
from workbench.progress.events import follow, replay


def launch_supervisor(
    cluster: Mapping[str, Any] | None = None,
    base: Path | None = None,
    *,
    dashboards: bool = False,
) -> subprocess.Popen[bytes]:
    """Start the supervisor of a bench and return at once.

    Args:
        cluster: the bench's `cluster` settings, as `nets.config.to_dict` gives them.
        dashboards: Ray and Spark also show their own pages, on this machine only.

    Raises:
        ClusterError: a bench is up or starting.
    """
    base = base or home_folder()
    if statefile.is_alive(base):
        raise ClusterError("A bench is up or starting here; `workbench down` stops it.")
    statefile.remove(base)
    folder = statefile.make_folder(base)
    (folder / "start.jsonl").unlink(missing_ok=True)
    settings = json.dumps({"cluster": dict(cluster or {}), "dashboards": dashboards})
    with (folder / "keeper.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "workbench.jobs.supervisor", settings],
            env=os.environ | {"WORKBENCH_HOME": str(base)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )


def start_bench(
    cluster: Mapping[str, Any],
    progress: Progress,
    base: Path | None = None,
    *,
    dashboards: bool = False,
) -> State:
    """Start a bench and wait until it takes jobs.

    Raises:
        ClusterError: a bench is up or starting, or Ray or Spark could not be started.
    """
    base = base or home_folder()
    supervisor = launch_supervisor(cluster, base, dashboards=dashboards)
    folder = statefile.make_folder(base)
    try:
        for line in follow(folder / "start.jsonl", lambda: supervisor.poll() is None):
            if line["what"] != "end":
                replay(line, progress)
            elif line["error"]:
                raise ClusterError(line["error"])
    except BaseException:
        supervisor.terminate()
        supervisor.wait()
        raise
    state = statefile.read(base)
    if state is None or supervisor.poll() is not None:
        errors = (folder / "keeper.log").read_text(errors="replace").splitlines()
        reason = errors[-1] if errors else "no reason given"
        raise ClusterError(f"The bench ended while it started: {reason}")
    return state
