"""Starts and stops the launcher: the process with the application on the user's Spark cluster.

Ray's nodes run in the executors of that application. It cannot live in this process: RayDP has a Spark
context here, and a process can have only one. So `workbench.cluster.launcher` runs beside this process
and ends with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from nets.config import to_dict
from workbench.cluster.config import SparkClusterConfig
from workbench.cluster.java import find_java
from workbench.errors import ClusterError

_STOP_S = 40.0
"""Ray's nodes in executors notice the end only after some seconds."""


@contextmanager
def start_ray_in_executors(
    config: SparkClusterConfig, log_path: Path, stage: Callable[[str], None]
) -> Iterator[str]:
    """Run Ray in the executors of a Spark cluster until the block ends.

    Args:
        stage: called with a line for the user at each step.

    Yields:
        Ray's address.

    Raises:
        ClusterError: Spark or Ray did not start, or the executors have other packages.
    """
    find_java().use()
    stage(f"Opening a Spark application at {config.master}")
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.cluster.launcher", str(write_end)],
        stdin=subprocess.PIPE,
        pass_fds=(write_end,),
        start_new_session=True,  # Ctrl-C reaches only this process, which then ends the launcher
        text=True,
    )
    os.close(write_end)
    assert process.stdin is not None
    address = None
    try:
        process.stdin.write(json.dumps(to_dict(config)) + "\n")
        process.stdin.flush()
        with os.fdopen(read_end) as events:
            address = _read_address(events, process, log_path, stage)
            yield address
    finally:
        if address is None and process.poll() is None:
            process.terminate()  # it waits for Spark or Ray and would not notice that its input ends
        _end(process)


def _read_address(
    events: Any, process: subprocess.Popen[str], log_path: Path, stage: Callable[[str], None]
) -> str:
    for line in events:
        event: dict[str, str] = json.loads(line)
        if "stage" in event:
            stage(event["stage"])
        elif "error" in event:
            raise ClusterError(f"{event['error']} (log: {log_path})")
        elif "address" in event:
            return event["address"]
    raise ClusterError(
        f"The process that holds the Spark application ended with code {process.wait()} while it "
        f"started Ray (log: {log_path})."
    )


def _end(process: subprocess.Popen[str]) -> None:
    """End it by closing its input; kill what is left of it after `_STOP_S`."""
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for child in psutil.wait_procs(family, timeout=5)[1]:
            with suppress(psutil.NoSuchProcess):
                child.kill()
