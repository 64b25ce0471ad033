"""Nets that learn their own input: for `workbench.ml.Autoencoder`, which sets the widths."""

from __future__ import annotations

from typing import Any

from nets import AutoencoderConfig, Task, TrainingConfig
from workbench.experiments.recipes.facts import Recipe


def autoencoder() -> Recipe:
    """A dense autoencoder."""
    task = Task.RECONSTRUCTION
    learned: Any = {"loss": task.losses[0], "monitor": task.monitor, "mode": task.mode}
    return Recipe(net=AutoencoderConfig(), training=TrainingConfig(**learned))
