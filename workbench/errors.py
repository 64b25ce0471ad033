"""All errors of the workbench, below `WorkbenchError`."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class WorkbenchError(Exception):
    """An error that a person can act on. The message names the value, the rule and the way out."""

    exit_code = 1
    """Exit code of the command line."""


class DataError(WorkbenchError):
    """The data cannot be read, or too much of it is bad."""

    exit_code = 3


class ClusterError(WorkbenchError):
    """Java, Ray or Spark cannot be started or reached, or has too few resources."""

    exit_code = 4


class TrainingError(WorkbenchError):
    """A training or a sweep ended without a usable result."""

    exit_code = 5


def exit_code(error: Exception) -> int:
    """The exit code of an error; 1 for an unexpected one."""
    if isinstance(error, WorkbenchError):
        return error.exit_code
    # Looked up, not imported: a class that is not loaded cannot have been raised.
    if _is(error, "nets.errors", "ConfigError"):
        return 2
    if _is(error, "nets.errors", "DivergedError"):
        return 5
    if _is(error, "nets.errors", "ModelFileError"):
        return 3
    if _is(error, "tracking.errors", "TrackingError"):
        return 6
    return 1


def _is(error: Exception, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(error, kind)


def too_many_deaths(
    what: str, deaths: int, allowed: int, error: Exception, advice: str = ""
) -> TrainingError:
    """The error of a training whose process died more often than `allowed`.

    Args:
        advice: whole sentences, each followed by a space.
    """
    times = f"{deaths} time{'s' * (deaths > 1)}"
    return TrainingError(
        f"{what} died {times}, and cluster.max_failures allows {allowed}. {advice}"
        f"Ray says: {str(error).strip().splitlines()[0]}"
    )
