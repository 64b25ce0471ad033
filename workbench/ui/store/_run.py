"""One run, as the pages use it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import tracking
from nets import best_epoch

Points = list[tuple[float, float]]

_MAIN = (
    "best/validation/accuracy",
    "validation/accuracy",
    "best/validation/loss",
    "validation/loss",
)
_STATES = {"KILLED": "stopped", "STOPPED": "stopped early"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, as last seen."""

    id: str
    name: str
    experiment: str
    kind: str
    """train, sweep, trial; empty for runs of other programs."""
    status: str
    """RUNNING, FINISHED, STOPPED (early, by a sweep), FAILED, KILLED (by a person)."""
    start: float | None
    """Seconds since the epoch, as `end`."""
    end: float | None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    """The last value of each."""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The status in words, as every page shows it. MLflow's KILLED is what Stop leaves."""
        return state_of(self.status)

    @property
    def monitor(self) -> str:
        """The metric by which its best epoch was chosen."""
        return self.params.get("training.monitor", _MAIN[1])

    @property
    def own_tags(self) -> dict[str, str]:
        """The tags that people set."""
        return {k: v for k, v in self.tags.items() if not k.startswith(("mlflow.", "workbench."))}

    @property
    def note(self) -> str:
        return self.tags.get("mlflow.note.content", "")

    @property
    def seconds(self) -> float | None:
        """How long it took, or has been running."""
        return None if self.start is None else (self.end or time.time()) - self.start

    def best(self) -> tuple[str, float] | None:
        """Its main metric and the best value of it."""
        names = (f"best/{self.monitor}", self.monitor, *_MAIN)
        main_metric = next((m for m in names if m in self.metrics), None)
        return (
            None
            if main_metric is None
            else (main_metric.removeprefix("best/"), self.metrics[main_metric])
        )

    def best_epoch(self, history: Mapping[str, Points]) -> float | None:
        """The epoch whose weights were kept: the best by the metric that the training monitored.

        Args:
            history: of each metric its (epoch, value) pairs.
        """
        points = history.get(self.monitor, [])
        best = best_epoch(points, "min" if self.params.get("training.mode") == "min" else "max")
        return None if best is None else best[0]

    def value(self, name: str) -> float | str | None:
        """A metric's last value, or a parameter."""
        return self.metrics.get(name, self.params.get(name))


def state_of(status: str) -> str:
    """A status in words."""
    return _STATES.get(status, status.lower())


def from_tracking(run: tracking.Run) -> Run:
    """A run as the pages use it."""
    stopped = run.status == "FINISHED" and "workbench.stopped" in run.tags
    return Run(
        id=run.run_id,
        name=run.name or run.run_id[:8],
        experiment=run.experiment,
        kind=run.kind,
        status="STOPPED" if stopped else run.status,
        start=run.start,
        end=run.end,
        params=run.params,
        metrics=run.metrics,
        tags=run.tags,
    )
