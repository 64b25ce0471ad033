"""Sends what Ray, Spark and their JVMs print to a file, so that the terminal shows only this program."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

_NOISY = ("ray", "py4j", "raydp", "pyspark", "pyarrow", "optuna", "alembic", "filelock")


def new_log_path(folder: Path) -> Path:
    """A file for this process's logs: `<folder>/<time>-<pid>.log`."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"


@contextmanager
def send_logs_to(path: Path) -> Iterator[None]:
    """Send file descriptors 1 and 2, Python warnings and noisy loggers to `path` until the end.

    Child processes inherit the descriptors, so what JVMs and Ray's daemons print lands in the file
    as well, while `sys.stdout` and `sys.stderr` of this process keep writing where they did.
    """
    with path.open("a", buffering=1) as log, _descriptors(log.fileno()), _loggers(log):
        yield


def route_loggers() -> None:
    """Remove the handlers that libraries added to their loggers when they were imported.

    Their messages then reach the file through the loggers that `send_logs_to` has set up.
    """
    for name in list(logging.root.manager.loggerDict):
        top, _, rest = name.partition(".")
        if rest and top in _NOISY:
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True


@contextmanager
def _descriptors(log_fd: int) -> Iterator[None]:
    sys.stdout.flush()
    sys.stderr.flush()
    saved = {fd: os.dup(fd) for fd in (1, 2)}
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        _reopen(stream, saved[fd], fd) for stream, fd in zip(before, (1, 2), strict=True)
    )
    for fd in saved:
        os.dup2(log_fd, fd)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before
        for fd, copy in saved.items():
            os.dup2(copy, fd)
            os.close(copy)


def _reopen(stream: TextIO, copy: int, fd: int) -> TextIO:
    """A stream on a copy of the descriptor; a stream that does not write to `fd` is returned as it is."""
    try:
        if stream.fileno() != fd:
            return stream
    except (OSError, AttributeError, io.UnsupportedOperation):
        return stream
    return io.TextIOWrapper(
        io.FileIO(copy, "w", closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )


@contextmanager
def _loggers(log: TextIO) -> Iterator[None]:
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = {}
    for name in _NOISY:
        logger = logging.getLogger(name)
        before[name] = (logger.handlers, logger.propagate)
        logger.handlers, logger.propagate = [handler], False
    show = warnings.showwarning

    def write(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        log.write(warnings.formatwarning(message, category, filename, lineno, line))

    warnings.showwarning = write
    try:
        yield
    finally:
        warnings.showwarning = show
        for name, (handlers, propagate) in before.items():
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = handlers, propagate
