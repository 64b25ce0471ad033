"""Runs in MLflow: written by a training, read by the command line and the browser UI.

Importing it loads no MLflow: what needs MLflow is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
import os
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

for _name, _value in {
    # MLflow sends what its users call to its makers unless it is told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # It draws a bar for each file it copies; progress is drawn by who asked for the copy.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # It retries a call for four minutes before it says anything. Waiting is done in `retry`, where
    # it can be told and ended.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}.items():
    os.environ.setdefault(_name, _value)  # before MLflow is loaded, which reads them then

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
