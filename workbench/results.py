"""Results of trainings and sweeps: plain values that can be sent to any process as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench.progress import TrialNews

Settings = dict[str, Any]
"""Dotted path to value."""


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A finished training."""

    run_id: str
    """Its run in MLflow."""
    epochs: int
    """Epochs trained."""
    best_epoch: int
    """The epoch whose weights were kept."""
    metrics: dict[str, float]
    """Metrics of the best epoch; test/... was measured with its weights."""
    verdicts: Sequence[str] = ()
    """What the figures say, and what to try next; see `workbench.training.verdicts`."""


@dataclass(kw_only=True)
class TrialResult:
    """One trial, finished or not."""

    number: int
    """From 1, in the order of the starts."""
    run_id: str
    """Its run in MLflow."""
    settings: Settings
    """What the sweep chose."""
    status: Literal["RUNNING", "FINISHED", "STOPPED", "FAILED", "KILLED"] = "RUNNING"
    """RUNNING; FINISHED; STOPPED by the scheduler; FAILED; KILLED."""
    epochs: int = 0
    """Epochs trained."""
    value: float | None = None
    """The sweep's metric at its best epoch."""
    metrics: dict[str, float] = field(default_factory=dict)
    """All metrics of that epoch."""
    seconds: float = 0.0
    """From its start to its last report."""
    checkpoint: str | None = None
    """Folder with the weights of its best epoch, while the sweep runs: a path in the file system
    that `cluster.storage` lies in."""

    def news(self, total: int, metric: str) -> TrialNews:
        """The event for a `Progress`: one of `total` trials, ranked by the sweep's `metric`."""
        best = {} if self.value is None else {metric: self.value}
        metrics = best | {"epoch": float(self.epochs)}
        return TrialNews(self.number, total, self.status, self.settings, metrics)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Settings tried on every fold of a cross-validation."""

    settings: Settings
    """What the sweep chose, without the fold."""
    trials: list[TrialResult]
    """One for each fold."""
    mean: float | None
    """Mean of the sweep's metric over the folds; None: a fold has no result."""
    deviation: float | None
    """Standard deviation over the folds (divided by folds - 1)."""


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep that finished or was stopped."""

    run_id: str
    """The sweep's run in MLflow; the trials' runs are its children."""
    trials: list[TrialResult]
    """The best first; with cross-validation those of the best configuration."""
    interrupted: bool = False
    """Stopped before all trials were done; `resume=run_id` goes on."""
    configurations: list[Configuration] = field(default_factory=list)
    """With cross-validation (`data.split.folds`): the best mean first."""

    @property
    def best(self) -> TrialResult:
        """The best trial."""
        return self.trials[0]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SweepResult:
        """The inverse of `dataclasses.asdict`, also after JSON; without the trials' checkpoints."""
        configurations = [
            Configuration(**{**each, "trials": _trials(each["trials"])})
            for each in data.get("configurations", ())
        ]
        return cls(
            run_id=data["run_id"],
            trials=_trials(data["trials"]),
            interrupted=data["interrupted"],
            configurations=configurations,
        )


def _trials(data: Sequence[Mapping[str, Any]]) -> list[TrialResult]:
    return [TrialResult(**{**each, "checkpoint": None}) for each in data]
