"""Runs in MLflow: written by a training, read by the command line and the browser UI.

Importing it loads no MLflow: what needs MLflow is loaded when it is first asked for.
"""

from __future__ import annotations

import os

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

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
