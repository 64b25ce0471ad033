"""Errors of nets, their configuration, training and files."""

from __future__ import annotations


class ConfigError(ValueError):
    """A setting breaks a rule. The message states the rule, the value received and the way out."""


class MemoryFullError(ConfigError):
    """A step's rows and net need more memory than the device has."""


class DivergedError(RuntimeError):
    """The loss became NaN or infinite: the training cannot continue."""


class ModelFileError(ValueError):
    """A saved model cannot be read: it is missing, cut short, or was not written by `nets.save`."""
