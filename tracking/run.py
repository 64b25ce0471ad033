"""One run as the store last saw it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

PARENT = "mlflow.parentRunId"
NAME = "mlflow.runName"
NOTE = "mlflow.note.content"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. Metrics hold the last value of each; `best/...` ones the best so far."""

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
    """Hidden until it is restored."""
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
        """What a person wrote about it; Markdown, as MLflow's own UI shows it."""
        return self.tags.get(NOTE, "")

    @property
    def seconds(self) -> float | None:
        """How long it took, or has been running."""
        return None if self.start is None else (self.end or time.time()) - self.start
