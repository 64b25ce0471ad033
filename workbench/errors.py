"""What can go wrong, as one tree: catch `WorkbenchError` for all of it."""

from __future__ import annotations


class WorkbenchError(Exception):
    """Something a person can act on. The message names the value, the rule and the way out."""

    exit_code = 1
    """What the command line exits with."""


class DataError(WorkbenchError):
    """The data cannot be read, or too much of it is bad."""

    exit_code = 3


class ClusterError(WorkbenchError):
    """Java, Ray or Spark cannot be started, reached, or has too little to give."""

    exit_code = 4


class TrainingError(WorkbenchError):
    """A training or a sweep ended without a usable result."""

    exit_code = 5
