"""Errors for a person: one message in red, the log's name, and an exit code.

Tracebacks go to the log, and to the terminal only with --debug. Exit codes:

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

from tracking import hide_passwords
from workbench.errors import INTERRUPTED, WorkbenchError, exit_code
from workbench.home import logs_folder
from workbench.spark_errors import explain_spark, is_of_spark


class CommandGroup(TyperGroup):
    """A group of commands that turns errors into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.TyperException, typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            _print("Interrupted.", style="yellow")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except Exception as error:
            code = report(error)
            raise typer.Exit(code) from error


def report(error: Exception) -> int:
    """Print an error's message and log; return the exit code."""
    if os.environ.get("WORKBENCH_DEBUG"):
        print(hide_passwords("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    if is_of_spark(error):
        explained = explain_spark(error)
        explained.__cause__, error = error, explained
    code = exit_code(error)
    message = hide_passwords(str(error)) or type(error).__name__
    if code == 1 and not isinstance(error, WorkbenchError):
        message = hide_passwords(_describe_fault(error))
    log = getattr(error, "log", None)  # a job's log, which has the error already
    if log is None and (log := find_own_log()) is not None:
        _append(log, error)
    if log is None and code == 1:
        log = _write_log(error)
    _print(message, heading="Error: ")
    if log is not None and str(log) not in message:
        _print(f"Log: {log}", style="dim")
    return code


def _describe_fault(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".strip().rstrip(":")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full ({text}). Free some, or set WORKBENCH_HOME to another disk."
    return (
        f"{text}\nThis is a fault of the program. The log has the traceback; --debug shows it here."
    )


def find_own_log() -> Path | None:
    """The latest log that a session of this process wrote."""
    if "workbench.cluster.session" not in sys.modules:
        return None
    files = sorted(logs_folder().glob(f"*-{os.getpid()}.log"))
    return files[-1] if files else None


def _append(log: Path, error: Exception) -> None:
    try:
        with log.open("a") as file:
            file.write(hide_passwords("".join(traceback.format_exception(error))))
    except OSError:
        return  # the message on the terminal matters more


def _write_log(error: Exception) -> Path | None:
    folder = logs_folder()
    log = folder / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    _append(log, error)
    return log if log.exists() else None


def _print(message: str, *, heading: str = "", style: str = "") -> None:
    console = Console(stderr=True, highlight=False)
    console.print(Text(heading, "bold red") + Text(message, style), soft_wrap=True)
