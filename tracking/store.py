"""Which tracking store, and a way into it: an MLflow server, a database, or the embedded SQLite file."""

from __future__ import annotations

import os
import re
from pathlib import Path

# MLflow draws a bar for each file it copies; progress is drawn by who asked for the copy.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def home() -> Path:
    """The folder of the embedded store: WORKBENCH_HOME, else `.workbench` here. It may not exist."""
    return Path(os.environ.get("WORKBENCH_HOME") or ".workbench").resolve()


def store_uri(uri: str | None = None) -> str:
    """The store's address: `uri`, else MLFLOW_TRACKING_URI, else the embedded one."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def artifact_root(uri: str, experiment: str) -> str | None:
    """Where a new experiment's files go: beside the embedded store; None: where the server says."""
    if not uri.startswith("sqlite:///"):
        return None
    folder = Path(uri.removeprefix("sqlite:///")).resolve().parent / "artifacts"
    return (folder / re.sub(r"[^\w.-]", "_", experiment)).as_uri()


def masked(text: str) -> str:
    """Text with the passwords of the addresses in it hidden."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]+@", r"\1:***@", text)
