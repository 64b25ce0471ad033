"""Errors as a person reads them: one message in red, the log's name, an exit code that means
something. Tracebacks go to the log, and to the terminal only with --debug.

    1  a fault of the program      4  Java, Ray or Spark
    2  a setting or the usage      5  the training or the sweep
    3  the data                    6  the tracking store
    130  interrupted
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from tracking.store import masked
from workbench.errors import INTERRUPTED, WorkbenchError, exit_code
from workbench.home import logs_folder


class Guarded(TyperGroup):
    """A group of commands whose errors become messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.TyperException, typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            _say("Interrupted.", style="yellow")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except Exception as error:
            code = report(error)
            raise typer.Exit(code) from error


def report(error: Exception) -> int:
    """Print what a person needs to know of an error; return the exit code."""
    if os.environ.get("WORKBENCH_DEBUG"):
        print(masked("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    code = exit_code(error)
    message = masked(str(error)) or type(error).__name__
    if code == 1 and not isinstance(error, WorkbenchError):
        message = masked(_unexpected(error))
    log = getattr(error, "log", None)  # a job's, which holds the error already
    if log is None and (log := log_of_this_process()) is not None:
        _append(log, error)
    if log is None and code == 1:
        log = _new_log(error)
    _say(message, heading="Error: ")
    if log is not None and str(log) not in message:
        _say(f"Log: {log}", style="dim")
    return code


def _unexpected(error: Exception) -> str:
    said = f"{type(error).__name__}: {error}".strip().rstrip(":")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full ({said}). Free some, or set WORKBENCH_HOME to another disk."
    return f"{said}\nThis was not foreseen. The log has the traceback; --debug shows it here."


def log_of_this_process() -> Path | None:
    """The latest file that the bench of this process wrote its logs to."""
    if "workbench.cluster.session" not in sys.modules:
        return None
    files = sorted(logs_folder().glob(f"*-{os.getpid()}.log"))
    return files[-1] if files else None


def _append(log: Path, error: Exception) -> None:
    try:
        with log.open("a") as file:
            file.write(masked("".join(traceback.format_exception(error))))
    except OSError:
        return  # the message on the terminal matters more


def _new_log(error: Exception) -> Path | None:
    folder = logs_folder()
    log = folder / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    _append(log, error)
    return log if log.exists() else None


def _say(message: str, *, heading: str = "", style: str = "") -> None:
    console = Console(stderr=True, highlight=False)
    console.print(Text(heading, "bold red") + Text(message, style), soft_wrap=True)
