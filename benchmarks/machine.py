"""What a result depends on: the machine, the versions, the commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "pyarrow", "ray", "pyspark", "raydp", "mlflow", "optuna")
_ROOT = Path(__file__).parents[1]


def describe() -> dict[str, Any]:
    """CPU, cores, memory in GB, load of the last minute, versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return {
        "cpu": next(names, platform.processor()),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "load": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def commit() -> str:
    """The commit that is measured, with a "+" where its code has changed since; else "unknown"."""
    if not (_ROOT / ".git").exists():  # an archive of the source, perhaps below another checkout
        return "unknown"
    code = ["nets", "tracking", "workbench", "benchmarks/*.py"]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *code)
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def _git(*words: str) -> str:
    try:
        reply = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return reply.stdout.strip()
