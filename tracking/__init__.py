"""Runs in MLflow: written by a training, read by the command line and the browser UI.

Importing it loads no MLflow; the first use of a name that needs MLflow does.
"""

from __future__ import annotations

import os

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

for _name, _value in {
    # Without this MLflow sends its makers the names of the functions that are called.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow draws a bar for each file it copies. Whoever starts a copy shows its progress.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # MLflow retries a call for four minutes before it reports anything. `tracking.retry` waits
    # instead: it logs that it waits, and can be stopped.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}.items():
    os.environ.setdefault(_name, _value)  # before MLflow is loaded, because it reads them at import
