"""Which tracking store, and a way into it: an MLflow server, a database, or the embedded SQLite file."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder of the embedded store: WORKBENCH_HOME, else `.workbench` here. It may not exist."""
    return Path(os.environ.get("WORKBENCH_HOME") or ".workbench").resolve()


def store_uri(uri: str | None = None) -> str:
    """The store's address: `uri`, else MLFLOW_TRACKING_URI, else the embedded one."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"
