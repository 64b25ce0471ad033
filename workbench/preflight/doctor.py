"""Checks for everything that could stop an experiment on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from workbench.preflight import machine, software
from workbench.preflight.check import Check


def diagnose(*, start: bool = False, cluster: str | None = None) -> Iterator[Check]:
    """Run the checks one by one and yield each result at once.

    Args:
        start: also start Ray and Spark and count some rows (half a minute).
        cluster: name of a cluster to check, and to start Ray and Spark on.
    """
    checks: dict[str, Callable[[], Check]] = {
        "Python": software.check_python,
        "Java": software.check_java,
        "packages": software.check_packages,
        "processors": machine.check_processors,
        "memory": machine.check_memory,
        "shared memory": machine.check_shared_memory,
        "disk": machine.check_disk,
        "open files": machine.check_open_files,
        "loopback": machine.check_loopback,
        "host name": machine.check_host_name,
        "ports": machine.check_ports,
        "GPUs": machine.check_gpus,
        "tracking store": software.check_tracking_store,
    }
    if cluster is not None:
        checks[f"cluster {cluster}"] = partial(software.check_cluster, cluster)
    if start:
        checks["Ray and Spark"] = partial(software.check_start, cluster)
    for name, check in checks.items():
        try:
            yield check()
        except Exception as error:
            reason = f"could not be checked: {type(error).__name__}: {error}"
            yield Check(name=name, verdict="warn", seen=reason)
