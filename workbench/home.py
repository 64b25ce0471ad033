"""The home folder and what lies in it. None of these folders has to exist yet.

.workbench/
    mlflow.db, artifacts/   runs (package `tracking`)
    logs/                   what Ray, Spark and the JVMs print, a file per process
    jobs/                   jobs of the bench
    bench/                  how to reach the bench
    checkpoints/            of trainings that still run
    data/                   well-known data sets
    prepared/               data that is ready to train on (package `workbench.bridge`)
    corrections/            samples that were marked in the browser, a file for each data
    samples/                contact sheets of data that was described
    cache/                  parts of such data that lies in `cluster.storage`
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from tracking import home_folder as home_folder


def logs_folder(home: Path | None = None) -> Path:
    """Logs below `home` (default: `home_folder()`); a file's name ends in `-PID.log`."""
    return (home or home_folder()) / "logs"


def jobs_folder(home: Path | None = None) -> Path:
    """The bench's jobs below `home` (default: `home_folder()`), a folder each."""
    return (home or home_folder()) / "jobs"


def bench_folder(home: Path | None = None) -> Path:
    """The bench's state file, socket and locks below `home` (default: `home_folder()`)."""
    return (home or home_folder()) / "bench"


def checkpoints_folder() -> Path:
    """Checkpoints of trainings that run on this machine."""
    return home_folder() / "checkpoints"


def data_folder() -> Path:
    """Well-known data sets: WORKBENCH_DATA (`~` is expanded), else `data` in the home folder."""
    named = os.environ.get("WORKBENCH_DATA")
    return Path(named).expanduser().resolve() if named else home_folder() / "data"


def prepared_folder() -> Path:
    """Data that is ready to train on, a folder per fingerprint."""
    return home_folder() / "prepared"


def corrections_folder() -> Path:
    """Files of corrections that the browser writes."""
    return home_folder() / "corrections"


def sheet_file(source: str, changes: Mapping[str, object]) -> Path:
    """The contact sheet of data by its name and changed settings, in this working folder."""
    parts = (str(Path.cwd()), source, *(f"{path}={changes[path]}" for path in sorted(changes)))
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return home_folder() / "samples" / f"{name}.png"


def cache_folder() -> Path:
    """Parts of prepared data that lies in `cluster.storage`: WORKBENCH_CACHE (`~` is expanded), else
    `cache` in the home folder."""
    named = os.environ.get("WORKBENCH_CACHE")
    return Path(named).expanduser().resolve() if named else home_folder() / "cache"
