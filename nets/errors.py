"""Errors of nets, their configuration, training and files."""

from __future__ import annotations

from typing import Any


class ConfigError(ValueError):
    """A setting breaks a rule. The message states the rule, the value received and the way out."""


class MemoryFullError(ConfigError):
    """A step's rows and net need more memory than the device has."""


class DivergedError(RuntimeError):
    """The loss became NaN or infinite: the training cannot continue."""

    points: tuple[Any, ...] = ()
    """The loss by step up to there, as far as it was not taken before (`nets.step_losses.StepPoint`):
    of the last steps, each."""


class ModelFileError(ValueError):
    """A saved model cannot be read: it is missing, cut short, or was not written by `nets.save`."""


class UntrustedCodeError(ModelFileError):
    """A model or a run brings Python code that nobody has allowed to run here."""
