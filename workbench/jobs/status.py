"""Whether a bench runs on this machine, and why one does not. Loads nothing heavy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import ClusterError
from workbench.home import bench_folder
from workbench.jobs import statefile
from workbench.jobs.statefile import State
from workbench.progress.events import follow


@dataclass(frozen=True, kw_only=True)
class BenchStatus:
    """Whether a bench runs."""

    name: Literal["none", "starting", "up", "ending", "gone"]
    text: str = ""
    """For a person: the stage of the start, or why the bench is gone or did not start."""
    bench: State | None = None
    """The bench that is up; None in every other state."""


def check_bench(base: Path | None = None) -> BenchStatus:
    """Whether a bench runs; changes nothing."""
    state = statefile.read(base)
    if statefile.is_alive(base):
        if state is None:
            return BenchStatus(name="starting", text=_last_stage(base))
        if state.ended:
            return BenchStatus(name="ending")
        return BenchStatus(name="up", bench=state)
    if state is None:
        return BenchStatus(name="none", text=_start_error(base))
    since = time.strftime("%d %b %H:%M", time.localtime(state.started))
    why = state.ended or "its process ended unexpectedly (killed, or the machine was restarted)"
    text = f"The bench that was up since {since} is gone: {why}. Log: {state.log}."
    return BenchStatus(name="gone", text=text)


def find_state(base: Path | None = None) -> State | None:
    """The state of the bench that is up; None when there is no bench.

    Raises:
        ClusterError: the bench is starting, ending or gone; the message says what to do. The state
            file of a bench that is gone is removed, so that the next call returns None.
    """
    status = check_bench(base)
    if status.name in ("starting", "ending"):
        raise ClusterError(f"A bench is {status.name}. Try again in some seconds.")
    if status.name == "gone":
        statefile.remove(base)
        raise ClusterError(f"{status.text} `workbench up` starts another.")
    return status.bench


def _start_lines(base: Path | None) -> list[dict[str, Any]]:
    """What the last start reported."""
    return list(follow(bench_folder(base) / "start.jsonl", lambda: False))


def _last_stage(base: Path | None) -> str:
    stages = [line["name"] for line in _start_lines(base) if line["what"] == "stage"]
    return stages[-1] if stages else "Loading the libraries"


def _start_error(base: Path | None) -> str:
    errors = [line["error"] for line in _start_lines(base) if line["what"] == "end"]
    return (errors[-1] or "") if errors else ""
