"""The training loop: one epoch, one evaluation, on one device."""

from __future__ import annotations

from nets.training import TrainingConfig

__all__ = ["TrainingConfig"]
