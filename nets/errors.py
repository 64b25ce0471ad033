"""What can be wrong with a net or its configuration."""

from __future__ import annotations


class ConfigError(ValueError):
    """A setting breaks a rule. The message states the rule, the value received and the way out."""


class DivergedError(RuntimeError):
    """The loss became NaN or infinite: the training cannot go on from here."""


class ModelFileError(ValueError):
    """A saved model cannot be read: it is missing, cut short, or not one of ours."""
