"""The error that a person reads when a worker's training failed."""

from __future__ import annotations

from collections.abc import Iterator

from nets import ConfigError, DivergedError
from nets.errors import ModelFileError
from nets.step_losses import StepPoint
from workbench.errors import TrainingError, WorkbenchError

_PLAIN = (ConfigError, ModelFileError, WorkbenchError)


def find_cause(error: Exception) -> Exception:
    """The worker's own error, without the errors that Ray wraps around it.

    Ours come back as what they are, with their message alone. Of any other error, the last line of
    its text is shown in a TrainingError.
    """
    workers = list((getattr(error, "worker_failures", None) or {0: error}).values())
    for failure in workers:
        if plain := _find_plain(failure):
            return plain
    lines = str(workers[0]).strip().splitlines()
    text = lines[-1] if lines else str(error)
    if "No space left" in str(error):
        text += ". Free some, or set cluster.storage to a folder on another disk for checkpoints."
    return TrainingError(f"The training failed: {text}")


def find_points(error: Exception) -> list[StepPoint]:
    """The loss by step that a worker whose loss diverged had not reported yet."""
    workers = list((getattr(error, "worker_failures", None) or {0: error}).values())
    for failure in workers:
        for cause in _causes(failure):
            if isinstance(cause, DivergedError) and cause.points:
                return list(cause.points)
    return []


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from or holds."""
    cause: BaseException | None = failure
    while cause is not None:
        yield cause
        inner = getattr(cause, "cause", None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__


def _find_plain(failure: BaseException) -> Exception | None:
    for cause in _causes(failure):
        # Ray makes an error that is both its own and of the worker's class, and whose text is a whole
        # traceback. The worker's error is its `cause`.
        if isinstance(getattr(cause, "cause", None), BaseException):
            continue
        if isinstance(cause, DivergedError):
            return TrainingError(str(cause))
        for kind in _PLAIN:
            if isinstance(cause, kind):
                return _copy(cause)
    return None


def _copy(error: Exception) -> Exception:
    """A new one of the same class: one that is raised from what holds it would be its own cause."""
    return type(error)(str(error))
