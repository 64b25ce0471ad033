"""Descriptions of data, made by `workbench data describe` as a job of the queue."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from workbench.home import home_folder
from workbench.ui.jobs import Job, Queue

_LOG_BYTES = 4 * 2**20


def make_command(source: str, changes: Sequence[str]) -> list[str]:
    """The command that describes a source, with `--set PATH=VALUE` for each change."""
    name = hashlib.sha256("\0".join((source, *changes)).encode()).hexdigest()[:16]
    sheet = home_folder() / "samples" / f"ui-{name}.png"
    options = [part for change in changes for part in ("--set", change)]
    # After --, a name that begins with a dash is no option
    arguments = ["data", "describe", "--json", "--samples", str(sheet), *options, "--", source]
    return [sys.executable, "-m", "workbench", *arguments]


def printable(source: str, changes: Sequence[str], what: str = "data describe") -> str:
    """The command as a person types it."""
    options = [part for change in changes for part in ("--set", change)]
    name = ["--", source] if source.startswith("-") else [source]
    return shlex.join(["workbench", *what.split(), *options, *name])


def start(queue: Queue, source: str, changes: Sequence[str]) -> Job:
    """Describe the source; it waits for the jobs before it."""
    return queue.submit(make_command(source, changes), printable(source, changes)[:200])


def train(queue: Queue, source: str, changes: Sequence[str]) -> Job:
    """Train the recipe for the source; it waits for the jobs before it."""
    options = [part for change in changes for part in ("--set", change)]
    command = [sys.executable, "-m", "workbench", "train", *options, "--", source]
    return queue.submit(command, printable(source, changes, "train")[:200])


def find(queue: Queue, source: str, changes: Sequence[str]) -> Job | None:
    """The latest job that describes this source."""
    command = tuple(make_command(source, changes))
    return next((job for job in queue.read_all() if job.command == command), None)


def read_result(queue: Queue, job: Job) -> dict[str, Any] | None:
    """What the job printed: the fields of `workbench.preflight.source.Description`."""
    lines = queue.read_log(job.id, _LOG_BYTES).splitlines()
    if "{" not in lines:
        return None
    begin = len(lines) - 1 - lines[::-1].index("{")
    try:
        end = lines.index("}", begin)
        result = json.loads("\n".join(lines[begin : end + 1]))
    except ValueError:
        return None
    return result if isinstance(result, dict) and "fingerprint" in result else None
