"""Where a run comes from: its settings, code, packages and data."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import psutil

import nets
import workbench
from nets import TrainingConfig
from nets.config import flatten
from tracking import hide_passwords
from workbench.experiments.experiment import Experiment
from workbench.training.partial import TAG, list_limits

if TYPE_CHECKING:
    from workbench.bridge import Prepared, Split

_PACKAGES = (
    *("ray", "raydp", "pyspark", "torch", "mlflow", "numpy", "ray-on-spark-workbench"),
    *("pyarrow", "pillow", "safetensors"),
)
_NO_PART = ("cli", "jobs", "preflight", "progress", "ui")
"""Folders of the workbench whose code has no part in a training's figures."""
_ORDERED_EPOCHS, _ORDERED_ROWS = 2, 2**16
"""How much of a training's order the digest covers."""


def params(experiment: Experiment) -> dict[str, Any]:
    """The flattened experiment, without the description, the settings of the sweep and a name that means
    something in one process only."""
    skipped = ("sweep.", "description", "data.source.frame")
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
        kind: train, sweep, trial or lr_find.
        fingerprint: of the prepared data.
    """
    return {
        "workbench.kind": kind,
        "workbench.experiment_name": experiment.name,
        "workbench.fingerprint": fingerprint,
        "workbench.seed": str(experiment.training.seed),
        "workbench.versions": json.dumps(_versions()),
        "workbench.code": json.dumps(digest_folders(digest_files())),
        **describe_process(),
        **({TAG: limits} if (limits := ", ".join(list_limits(experiment.training))) else {}),
        **({"workbench.commit": commit} if (commit := _commit()) else {}),
    }


def describe_data(experiment: Experiment, prepared: Prepared) -> dict[str, str]:
    """The tags of the rows that a run trains on: their content, their order, the batch they make."""
    training, split = experiment.training, prepared.splits["train"]
    tags = {"workbench.used.batch_size": str(min(training.batch_size, split.num_rows))}
    tags["workbench.order"] = _digest_order(split, training)
    if content := prepared.record.get("content"):
        tags["workbench.content"] = str(content)
    return tags


def _digest_order(split: Split, training: TrainingConfig) -> str:
    """12 hex digits of the order of the rows in the first epochs."""
    digest = hashlib.sha256()
    for order in split.draw_orders(training, min(_ORDERED_EPOCHS, training.epochs)):
        rows = order.rows(0, min(order.num_rows, _ORDERED_ROWS))
        digest.update(rows.numpy().tobytes())
    return digest.hexdigest()[:12]


def describe_process() -> dict[str, str]:
    """The tags that say which process writes a run."""
    me = psutil.Process()
    return {
        "workbench.host": socket.gethostname(),
        "workbench.pid": str(me.pid),
        "workbench.started": str(me.create_time()),
    }


@functools.cache
def digest_files() -> dict[str, str]:
    """Path of each Python file of `nets` and `workbench` to 12 hex digits of its content.

    Without the command line, the UI and the like, which have no part in a training's figures.
    """
    digests: dict[str, str] = {}
    for package in (nets, workbench):
        root = Path(package.__path__[0])
        for file in sorted(root.rglob("*.py")):
            path = file.relative_to(root)
            if package is nets or path.parts[0] not in _NO_PART:
                name = f"{package.__name__}/{path.as_posix()}"
                digests[name] = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return digests


def digest_folders(files: Mapping[str, str]) -> dict[str, str]:
    """Folder to 12 hex digits of the files in it, without those in folders below.

    Args:
        files: from `digest_files`.
    """
    digests: dict[str, Any] = {}
    for name in sorted(files):
        digest = digests.setdefault(str(PurePosixPath(name).parent), hashlib.sha256())
        digest.update(f"{name} {files[name]} ".encode())
    return {folder: digest.hexdigest()[:12] for folder, digest in digests.items()}


@functools.cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def forget() -> None:
    """Forget the commit and the code: in a process that stays up, both may have changed."""
    _commit.cache_clear()
    digest_files.cache_clear()


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
