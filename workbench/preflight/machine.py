"""Checks of the machine: processors, memory, disk, network, GPUs."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import tempfile
from pathlib import Path

from workbench.home import home_folder
from workbench.memory import available_memory
from workbench.preflight.check import GIB, Check, Verdict, show_size

_PORTS = {"MLflow": 5000, "browser UI": 8501}


def check_processors() -> Check:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if (count or 1) >= 2:
        return Check(name="processors", verdict="ok", seen=f"{count} CPUs")
    return Check(
        name="processors",
        verdict="warn",
        seen="1 CPU: Spark, Ray and the training take turns on it",
        advice="Give it two or more, or join a cluster with --set cluster.address=HOST:PORT",
    )


def check_memory(available: int | None = None) -> Check:
    """
    Args:
        available: free bytes; None: as the system reports, or the container that this process runs in.
    """
    free = available if available is not None else available_memory()
    verdict: Verdict = "ok" if free >= 4 * GIB else "warn" if free >= 2 * GIB else "fail"
    return Check(
        name="memory",
        verdict=verdict,
        seen=f"{show_size(free)} free",
        advice=""
        if verdict == "ok"
        else "Ray, one Spark executor and one worker take about 3 GiB: end other programs, or lower "
        "cluster.executor_memory",
    )


def check_shared_memory(path: str = "/dev/shm") -> Check:
    """Ray keeps its objects in this folder; if it is small, Ray uses the disk."""
    if not Path(path).is_dir():
        return Check(name="shared memory", verdict="ok", seen=f"no {path} on this system")
    free = shutil.disk_usage(path).free
    if free >= 1 * GIB:
        return Check(name="shared memory", verdict="ok", seen=f"{show_size(free)} free in {path}")
    return Check(
        name="shared memory",
        verdict="warn",
        seen=f"{show_size(free)} free in {path}: Ray keeps its objects on the disk, many times slower",
        advice="In a container: docker run --shm-size=4g",
    )


def check_disk(folders: tuple[Path, ...] | None = None) -> Check:
    """The folder of runs and logs, and the folder that Ray and Spark spill to."""
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
                advice="Set WORKBENCH_HOME (runs and logs) or TMPDIR to a folder that can be written to",
            )
        usage = shutil.disk_usage(existing)
        full = 1 - usage.free / usage.total
        # Ray stops making objects on a disk that is 95 % full.
        level = 2 if usage.free < GIB or full > 0.95 else 1 if usage.free < 5 * GIB else 0
        state = (level, show_size(usage.free), folder, full)
        worst = max(worst or state, state, key=lambda item: (item[0], item[3]))
    assert worst is not None
    level, free, folder, full = worst
    return Check(
        name="disk",
        verdict=("ok", "warn", "fail")[level],
        seen=f"{free} free for {folder}, {full:.0%} full",
        advice="Free some space, or set WORKBENCH_HOME or TMPDIR to another disk" if level else "",
    )


def check_open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= 4096:
        return Check(name="open files", verdict="ok", seen=f"{soft} allowed, up to {hard}")
    return Check(
        name="open files",
        verdict="warn",
        seen=f"{hard} allowed; Ray's processes hold thousands of connections",
        advice="ulimit -n 65536",
    )


def check_loopback() -> Check:
    """Ray and Spark communicate through ports of 127.0.0.1 that the system chooses."""
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


def check_host_name() -> Check:
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


def check_ports() -> Check:
    """The ports of the two servers that people open in a browser."""
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


def check_gpus() -> Check:
    import torch

    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        seen = ", ".join(f"{device.name} ({show_size(device.total_memory)})" for device in devices)
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
