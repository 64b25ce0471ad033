"""Interactive deep-learning experiments on data that lives in Spark.

Importing this package loads neither Ray nor Spark, MLflow or torch: each name is resolved when
it is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Experiment": "workbench.experiment",
    "bench": "workbench.cluster",
    "load_experiment": "workbench.experiments",
    "sweep": "workbench.tuning",
    "train": "workbench.training",
}

__all__ = ["Experiment", "bench", "load_experiment", "sweep", "train"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
