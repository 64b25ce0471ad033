"""Descriptions of data, made by `workbench data describe` or the bench as a job of the queue."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nets.errors import ConfigError
from workbench.experiments.space_text import split_pair
from workbench.home import sheet_file
from workbench.jobs.request import DESCRIBED, Request
from workbench.ui.jobs import Job, Queue

_LOG_BYTES = 4 * 2**20


def make_arguments(source: str, changes: Sequence[str]) -> tuple[str, ...]:
    """The arguments of `workbench` that describe a source, with `--set PATH=VALUE` for each change."""
    options = [part for change in changes for part in ("--set", change)]
    # After --, a name that begins with a dash is no option
    return ("data", "describe", "--json", *options, "--", source)


def printable(source: str, changes: Sequence[str], what: str = "data describe") -> str:
    """The command as a person types it."""
    options = [part for change in changes for part in ("--set", change)]
    name = ["--", source] if source.startswith("-") else [source]
    return shlex.join(["workbench", *what.split(), *options, *name])


def start(queue: Queue, source: str, changes: Sequence[str]) -> Job:
    """Describe the source; it waits for the jobs before it."""
    arguments = make_arguments(source, changes)
    command = [sys.executable, "-m", "workbench", *arguments]
    title = printable(source, changes)[:200]
    return queue.submit(command, title, request=_request(source, changes, arguments))


def _request(source: str, changes: Sequence[str], arguments: tuple[str, ...]) -> Request | None:
    """The same for a bench; None: the command runs a person's own file, or says what is wrong."""
    try:
        pairs = dict(split_pair(change, "--set") for change in changes)
    except ConfigError:
        return None
    if ".py" in source or not all(path.startswith(DESCRIBED) for path in pairs):
        return None
    return Request(
        kind="describe",
        experiment=source,
        changes=pairs,
        samples=str(sheet_file(source, pairs)),
        command=("workbench", *arguments),
        cwd=str(Path.cwd()),
    )


def train(queue: Queue, source: str, changes: Sequence[str]) -> Job:
    """Train the recipe for the source; it waits for the jobs before it."""
    options = [part for change in changes for part in ("--set", change)]
    command = [sys.executable, "-m", "workbench", "train", *options, "--", source]
    return queue.submit(command, printable(source, changes, "train")[:200])


def find(queue: Queue, source: str, changes: Sequence[str]) -> Job | None:
    """The latest job that describes this source."""
    arguments = make_arguments(source, changes)
    return next((j for j in queue.read_all() if j.command[-len(arguments) :] == arguments), None)


def read_result(queue: Queue, job: Job) -> dict[str, Any] | None:
    """The fields of `workbench.preflight.source.Description`; None where the job made none."""
    result = _read_end(job) if job.resident else _read_printed(queue, job)
    return result if isinstance(result, dict) and "fingerprint" in result else None


def _read_end(job: Job) -> Any:
    """The result that the bench wrote."""
    with suppress(OSError, ValueError, IndexError):
        last = json.loads((job.folder / "events.jsonl").read_text().splitlines()[-1])
        return last.get("result")
    return None


def _read_printed(queue: Queue, job: Job) -> Any:
    """The JSON among what the command printed."""
    lines = queue.read_log(job.id, _LOG_BYTES).splitlines()
    with suppress(ValueError):
        begin = len(lines) - 1 - lines[::-1].index("{")
        return json.loads("\n".join(lines[begin : lines.index("}", begin) + 1]))
    return None
