"""Runs in MLflow: written by a training, read by the command line and the browser UI.

Importing it loads no MLflow: what needs MLflow is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tracking.errors import ArtifactError, QueryError, RunNotFoundError, TrackingError
from tracking.recorder import MemoryRecorder, Recorder
from tracking.run import Run

if TYPE_CHECKING:
    from tracking.compare import differing, over_seeds
    from tracking.mlflow_recorder import MlflowRecorder
    from tracking.read import Reader
    from tracking.store import check, store_uri
    from tracking.table import open_table

__all__ = [
    "ArtifactError",
    "MemoryRecorder",
    "MlflowRecorder",
    "QueryError",
    "Reader",
    "Recorder",
    "Run",
    "RunNotFoundError",
    "TrackingError",
    "check",
    "differing",
    "open_table",
    "over_seeds",
    "store_uri",
]

_LAZY = {
    "MlflowRecorder": "mlflow_recorder",
    "Reader": "read",
    "check": "store",
    "differing": "compare",
    "open_table": "table",
    "over_seeds": "compare",
    "store_uri": "store",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
