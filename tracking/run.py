"""One run as the store has it."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from typing import Any

from tracking.errors import RunNotFoundError

PARENT = "mlflow.parentRunId"
NAME = "mlflow.runName"
NOTE = "mlflow.note.content"
ARCHIVED = "workbench.archived"
"""The tag of archived runs."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. `metrics` has the last value of each metric, without NaN; `best/...` is the best so
    far."""

    run_id: str
    name: str
    experiment: str
    """Name of its MLflow experiment."""
    status: str
    """RUNNING, FINISHED, FAILED or KILLED (SCHEDULED for runs of other programs)."""
    start: float | None = None
    """Seconds since the epoch, as `end`."""
    end: float | None = None
    deleted: bool = False
    """Deleted runs are hidden until they are restored."""
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """train, sweep or trial; empty for a run of another program."""
        return self.tags.get("workbench.kind", "")

    @property
    def parent(self) -> str | None:
        """Run id of the sweep it belongs to."""
        return self.tags.get(PARENT)

    @property
    def note(self) -> str:
        """A person's note in Markdown, which MLflow's own UI shows too."""
        return self.tags.get(NOTE, "")

    @property
    def seconds(self) -> float | None:
        """Duration, so far if it still runs."""
        return None if self.start is None else (self.end or time.time()) - self.start


def from_mlflow(run: Any, experiment: str) -> Run:
    """MLflow's run as ours."""
    info, data = run.info, run.data
    return Run(
        run_id=info.run_id,
        name=info.run_name or "",
        experiment=experiment,
        status=info.status,
        start=None if info.start_time is None else info.start_time / 1000,
        end=None if info.end_time is None else info.end_time / 1000,
        deleted=info.lifecycle_stage == "deleted",
        params=dict(data.params),
        metrics={name: value for name, value in data.metrics.items() if not math.isnan(value)},
        tags=dict(data.tags),
    )


def check_id(run_id: str) -> str:
    """The id, if it is safe in a filter and a path.

    Raises:
        RunNotFoundError: it is not an id.
    """
    if not re.fullmatch(r"[0-9a-zA-Z][\w-]{0,63}", run_id, re.ASCII):
        raise RunNotFoundError(f"There is no run {run_id!r}.")
    return run_id
