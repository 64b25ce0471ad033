"""Retries calls to a store that does not answer for a while."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import requests
from mlflow.exceptions import MlflowException

from tracking.errors import RunNotFoundError, TrackingError
from tracking.store import hide_passwords, reason

T = TypeVar("T")

log = logging.getLogger("tracking")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
# MLflow's error codes for a server that is down, restarts or is overloaded, and for a locked
# database. Any other error is an answer: a retry would get it again.
_AWAY = {
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "IO_ERROR",
}


def is_away(error: Exception) -> bool:
    """Whether the store may answer later."""
    if disk_is_full(error):
        return False
    if isinstance(error, MlflowException):
        return error.error_code in _AWAY
    return isinstance(error, requests.RequestException | ConnectionError | TimeoutError)


def disk_is_full(error: BaseException | None) -> bool:
    """Whether a store or artifact could not be written because a disk is full.

    For SQLite, MLflow passes on only the text of the error.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(error):
            return True
        error = error.__cause__
    return False


def call_patiently(call: Callable[[], T], uri: str, patience_s: float) -> T:
    """The result of a call, which is repeated while the store does not answer.

    Raises:
        RunNotFoundError: the store has no such run.
        TrackingError: the store refuses, or did not answer for `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    pause = FIRST_PAUSE_S
    while True:
        try:
            return call()
        except TrackingError:
            raise
        except Exception as error:
            if not is_away(error):
                raise refusal(error, uri) from error
            if time.monotonic() + pause > deadline:
                raise outage(error, uri, patience_s) from error
            if pause == FIRST_PAUSE_S:
                log.warning(
                    "The tracking store %s does not answer; waiting for it.", hide_passwords(uri)
                )
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def refusal(error: Exception, uri: str) -> TrackingError:
    """The error for a call that the store refused."""
    if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
        return RunNotFoundError(reason(error))
    if disk_is_full(error):
        return TrackingError(
            f"The disk of the tracking store {hide_passwords(uri)} is full: {reason(error)}. What was "
            "stored so far is kept. Free some space, or set WORKBENCH_HOME (or MLFLOW_TRACKING_URI) "
            "to another disk."
        )
    return TrackingError(f"The tracking store {hide_passwords(uri)} refused: {reason(error)}")


def outage(error: Exception, uri: str, patience_s: float) -> TrackingError:
    """The error for a store that did not answer in time."""
    return TrackingError(
        f"The tracking store {hide_passwords(uri)} did not answer for {patience_s:g} s: {reason(error)}. "
        "Start it again; what was stored so far is kept."
    )
