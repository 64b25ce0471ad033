"""What could stop an experiment on this machine, looked at before one is started."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import resource
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from workbench.errors import ClusterError
from workbench.home import home_folder

DISTRIBUTION = "ray-on-spark-workbench"
"""This project, as pip knows it."""

Verdict = Literal["ok", "warn", "fail"]

_GIB = 2**30
_PORTS = {"MLflow": 5000, "browser UI": 8501}
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    """warn: it will work, more slowly or not in full; fail: an experiment cannot run."""
    seen: str
    """What was found."""
    advice: str = ""
    """What to do about it; empty where nothing has to be done."""


def diagnose(*, start: bool = False, cluster: str | None = None) -> Iterator[Check]:
    """Every check in turn, each as soon as it is made.

    Args:
        start: also start Ray and Spark and count some rows (half a minute).
        cluster: name of a cluster to look at, and to start them on.
    """
    checks: list[Callable[[], Check]] = [
        python,
        java,
        packages,
        processors,
        memory,
        shared_memory,
        disk,
        open_files,
        loopback,
        host_name,
        ports,
        gpus,
        tracking_store,
    ]
    if cluster is not None:
        checks.append(functools.partial(named_cluster, cluster))
    if start:
        checks.append(functools.partial(ray_and_spark, cluster))
    for check in checks:
        try:
            yield check()
        except Exception as error:
            name = getattr(check, "func", check).__name__
            yield Check(
                name=name.replace("_", " "),
                verdict="warn",
                seen=f"could not be checked: {type(error).__name__}: {error}",
            )


def python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] == (3, 11):
        return Check(name="Python", verdict="ok", seen=version)
    return Check(
        name="Python",
        verdict="warn",
        seen=f"{version}; the pinned packages are tested on 3.11",
        advice="make clean && make PYTHON=python3.11 setup",
    )


def java() -> Check:
    from workbench.cluster.java import find_java

    try:
        found = find_java()
    except ClusterError as error:
        seen, _, advice = str(error).partition(". ")
        return Check(name="Java", verdict="fail", seen=seen, advice=advice)
    return Check(
        name="Java", verdict="ok", seen=f"{found.version} from {found.source} ({found.home})"
    )


def packages() -> Check:
    from packaging.requirements import Requirement

    try:
        stated = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return Check(
            name="packages",
            verdict="warn",
            seen="the workbench is not installed, only on the path",
            advice="pip install -c constraints.txt -e .",
        )
    wrong = []
    required = [r for r in map(Requirement, stated) if not r.marker or r.marker.evaluate()]
    for requirement in required:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} (needs {requirement.specifier})")
    if wrong:
        return Check(
            name="packages",
            verdict="fail",
            seen=", ".join(wrong),
            advice="make clean && make setup, or pip install -c constraints.txt -e .",
        )
    shown = ("ray", "raydp", "pyspark", "torch", "mlflow")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in shown)
    return Check(name="packages", verdict="ok", seen=f"{len(required)} as required: {versions}")


def processors() -> Check:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (count or 1) >= 2:
        return Check(name="processors", verdict="ok", seen=f"{count} CPUs")
    return Check(
        name="processors",
        verdict="warn",
        seen="1 CPU: Spark, Ray and the training take turns on it",
        advice="Give it two or more, or join a cluster with --set cluster.address=HOST:PORT",
    )


def memory(available: int | None = None) -> Check:
    """
    Args:
        available: bytes; None: what this process may still take.
    """
    free = available if available is not None else _available_memory()
    verdict: Verdict = "ok" if free >= 4 * _GIB else "warn" if free >= 2 * _GIB else "fail"
    return Check(
        name="memory",
        verdict=verdict,
        seen=f"{_size(free)} free",
        advice=""
        if verdict == "ok"
        else "Ray, one Spark executor and one worker take about 3 GiB: end other programs, or lower "
        "cluster.executor_memory",
    )


def _available_memory() -> int:
    """Free memory, of the machine or of the container this process is confined to."""
    free = int(psutil.virtual_memory().available)
    for path in _CGROUP_LIMITS:
        limit = _read_number(Path(path))
        used = _read_number(
            Path(path).with_name("memory.current" if "max" in path else "memory.usage_in_bytes")
        )
        if limit is not None and used is not None:
            free = min(free, max(0, limit - used))
    return free


def _read_number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max" where there is no limit


def shared_memory(path: str = "/dev/shm") -> Check:
    """Ray keeps its objects there; where it is small it falls back to the disk."""
    if not Path(path).is_dir():
        return Check(name="shared memory", verdict="ok", seen=f"no {path} on this system")
    free = shutil.disk_usage(path).free
    if free >= 1 * _GIB:
        return Check(name="shared memory", verdict="ok", seen=f"{_size(free)} free in {path}")
    return Check(
        name="shared memory",
        verdict="warn",
        seen=f"{_size(free)} free in {path}: Ray keeps its objects on the disk, many times slower",
        advice="In a container: docker run --shm-size=4g",
    )


def disk(folders: tuple[Path, ...] | None = None) -> Check:
    """The folder of runs and logs, and the one Ray and Spark spill to."""
    worst: tuple[int, str, Path, float] | None = None
    for folder in folders or (home_folder(), Path(tempfile.gettempdir())):
        existing = next(p for p in (folder, *folder.resolve().parents) if p.exists())
        try:
            tempfile.TemporaryFile(dir=existing).close()
        except OSError as error:
            return Check(
                name="disk",
                verdict="fail",
                seen=f"{existing} cannot be written to ({error.strerror})",
                advice="Set WORKBENCH_HOME (runs and logs) or TMPDIR to a folder that can",
            )
        usage = shutil.disk_usage(existing)
        full = 1 - usage.free / usage.total
        # Ray stops making objects on a disk that is 95 % full.
        level = 2 if usage.free < _GIB or full > 0.95 else 1 if usage.free < 5 * _GIB else 0
        found = (level, _size(usage.free), folder, full)
        worst = max(worst or found, found, key=lambda item: (item[0], item[3]))
    assert worst is not None
    level, free, folder, full = worst
    return Check(
        name="disk",
        verdict=("ok", "warn", "fail")[level],
        seen=f"{free} free for {folder}, {full:.0%} full",
        advice="Free some, or set WORKBENCH_HOME or TMPDIR to another disk" if level else "",
    )


def open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= 4096:
        return Check(name="open files", verdict="ok", seen=f"{soft} allowed, up to {hard}")
    return Check(
        name="open files",
        verdict="warn",
        seen=f"{hard} allowed; Ray's processes hold thousands of connections",
        advice="ulimit -n 65536",
    )


def loopback() -> Check:
    """Ray and Spark talk through ports of 127.0.0.1 that the system picks."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError as error:
        return Check(
            name="loopback",
            verdict="fail",
            seen=f"a connection to 127.0.0.1 failed: {error}",
            advice="Allow local connections in the firewall or sandbox",
        )
    return Check(name="loopback", verdict="ok", seen="ports of 127.0.0.1 can be opened and reached")


def host_name() -> Check:
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        return Check(
            name="host name",
            verdict="warn",
            seen=f"{name!r} resolves to no address; Spark looks its own host up",
            advice=f"Add '127.0.0.1 {name}' to /etc/hosts",
        )
    return Check(name="host name", verdict="ok", seen=f"{name} is {address}")


def ports() -> Check:
    """Those of the two servers a person opens in the browser."""
    taken = [f"{port} ({name})" for name, port in _PORTS.items() if _answers(port)]
    if not taken:
        free = " and ".join(map(str, _PORTS.values()))
        return Check(name="ports", verdict="ok", seen=f"{free} are free")
    return Check(
        name="ports",
        verdict="warn",
        seen=f"taken: {', '.join(taken)}",
        advice="If that is not this workbench: make mlflow PORT=5001, make ui PORT=8502",
    )


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def gpus() -> Check:
    import torch

    if torch.cuda.is_available():
        found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        seen = ", ".join(f"{device.name} ({_size(device.total_memory)})" for device in found)
        torch.ones(8, device="cuda").sum().item()  # a driver that is too old fails here
        return Check(
            name="GPUs", verdict="ok", seen=f"{seen}; use with --set cluster.gpus_per_worker=1"
        )
    if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi"):
        return Check(
            name="GPUs",
            verdict="warn",
            seen=f"an NVIDIA device, but PyTorch {torch.__version__} cannot use it",
            advice="Install the CUDA build of PyTorch that fits the driver (pytorch.org)",
        )
    return Check(name="GPUs", verdict="ok", seen="none: nets train on the CPU")


def tracking_store() -> Check:
    from tracking import TrackingError, check

    try:
        return Check(name="tracking store", verdict="ok", seen=check())
    except TrackingError as error:
        return Check(name="tracking store", verdict="fail", seen=str(error))


def named_cluster(name: str) -> Check:
    """Whether it is in the file, its settings keep the rules, and it answers."""
    from nets.errors import ConfigError
    from workbench.cluster.clusters_file import load_cluster
    from workbench.cluster.launcher import check_master
    from workbench.cluster.ray_start import check_reachable

    title = f"cluster {name}"
    try:
        found = load_cluster(name)
        found.use()
        config = found.config()
        if config.topology == "spark":
            check_master(str(config.spark.master))
        elif config.on_cluster:
            check_reachable(config.address)
    except (ConfigError, ClusterError) as error:
        return Check(name=title, verdict="fail", seen=str(error))
    asked = config.topology == "ray" or str(config.spark.master).startswith("spark://")
    seen = "answers" if asked else "is asked with --start only"
    return Check(name=title, verdict="ok", seen=f"{config.location}: {seen} ({found.file})")


def ray_and_spark(cluster: str | None = None) -> Check:
    from nets.errors import ConfigError
    from workbench.cluster import open_session
    from workbench.cluster.clusters_file import load_cluster

    try:
        config = None if cluster is None else load_cluster(cluster).config()
        with open_session(config) as running:
            count = running.spark.range(1000).count()
            seconds = running.seconds
    except (ConfigError, ClusterError) as error:
        return Check(name="Ray and Spark", verdict="fail", seen=str(error))
    took = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    return Check(
        name="Ray and Spark", verdict="ok", seen=f"started and counted {count} rows ({took})"
    )


def _size(num_bytes: float) -> str:
    return f"{num_bytes / _GIB:.1f} GiB" if num_bytes >= _GIB else f"{num_bytes / 2**20:.0f} MiB"
