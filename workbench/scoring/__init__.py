"""A trained net over a DataFrame, in batch or in a stream: torch on the executors, no Ray, no MLflow."""

from __future__ import annotations

from workbench.scoring.files import score_files, stream_files
from workbench.scoring.frames import score
from workbench.scoring.model import Model, read_model
from workbench.scoring.outputs import Outputs

__all__ = ["Model", "Outputs", "read_model", "score", "score_files", "stream_files"]
