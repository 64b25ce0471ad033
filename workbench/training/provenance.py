"""Where a run comes from: its settings, code, packages and data."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from nets.config import flatten
from tracking import hide_passwords
from workbench.experiments.experiment import Experiment

_PACKAGES = ("ray", "raydp", "pyspark", "torch", "mlflow", "numpy", "ray-on-spark-workbench")


def params(experiment: Experiment) -> dict[str, Any]:
    """The flattened experiment, without the description and the settings of the sweep."""
    skipped = ("sweep.", "description")
    return {
        path: without_passwords(value)
        for path, value in flatten(experiment).items()
        if not path.startswith(skipped)
    }


def without_passwords(value: Any) -> Any:
    """A setting or a tree of settings, with the passwords in addresses hidden."""
    if isinstance(value, str):
        return hide_passwords(value) if "://" in value else value
    if isinstance(value, Mapping):
        return {key: without_passwords(part) for key, part in value.items()}
    return [without_passwords(part) for part in value] if isinstance(value, list) else value


def tags(experiment: Experiment, kind: str, fingerprint: str) -> dict[str, str]:
    """The tags of a run: its kind, code, process and data.

    Args:
        kind: train, sweep or trial.
    """
    return {
        "workbench.kind": kind,
        "workbench.experiment_name": experiment.name,
        "workbench.fingerprint": fingerprint,
        "workbench.seed": str(experiment.training.seed),
        "workbench.versions": json.dumps(_versions()),
        **describe_process(),
        **({"workbench.commit": commit} if (commit := _commit()) else {}),
    }


def describe_process() -> dict[str, str]:
    """The tags that say which process writes a run."""
    me = psutil.Process()
    return {
        "workbench.host": socket.gethostname(),
        "workbench.pid": str(me.pid),
        "workbench.started": str(me.create_time()),
    }


@functools.cache
def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def forget() -> None:
    """Forget the commit: in a process that stays up, the working directory may have changed."""
    _commit.cache_clear()


@functools.cache
def _commit() -> str | None:
    """The commit of the working directory, with `-dirty` where files differ from it."""
    try:
        reply = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path.cwd(),
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return reply.stdout.strip() or None
