"""The launcher of a Spark-first start, seen from the process that experiments run in.

Two Spark contexts cannot live in one process, and RayDP needs one here: the application on the
person's own Spark cluster, which holds the executors that Ray's nodes run in, lives in a process
beside this one (`workbench.cluster.launcher`) and ends with it.
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
"""Ray's nodes in executors take some seconds to notice that they are to end."""


@contextmanager
def start_ray_in_executors(
    config: SparkClusterConfig, log_path: Path, stage: Callable[[str], None]
) -> Iterator[str]:
    """A Ray whose nodes are in a Spark cluster's executors, until the block ends.

    Args:
        stage: is told what goes on.

    Yields:
        Ray's address.

    Raises:
        ClusterError: Spark or Ray did not start, or the executors have other packages.
    """
    find_java().use()
    stage(f"Opening a Spark application at {config.master}")
    told, tell = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.cluster.launcher", str(tell)],
        stdin=subprocess.PIPE,
        pass_fds=(tell,),
        start_new_session=True,  # Ctrl-C is for this process, which ends that one in order
        text=True,
    )
    os.close(tell)
    assert process.stdin is not None
    address = None
    try:
        process.stdin.write(json.dumps(to_dict(config)) + "\n")
        process.stdin.flush()
        with os.fdopen(told) as events:
            address = _address(events, process, log_path, stage)
            yield address
    finally:
        if address is None and process.poll() is None:
            process.terminate()  # it is waiting for something, and not for us
        _end(process)


def _address(
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
    """Ask it to end, which closing its input does; kill what is left of it after a while."""
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
