"""What a training and a sweep come to: plain values that any process can hold or pass on as JSON."""

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
    """Those of the best epoch, and test/... of its weights."""


@dataclass(kw_only=True)
class TrialResult:
    """One trial, as far as it got."""

    number: int
    """From 1, in the order of their starts."""
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
        """As a `Progress` is told of it: one of `total`, ranked by the sweep's `metric`."""
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
    """Of the sweep's metric over the folds; None: a fold came to no result."""
    deviation: float | None
    """Standard deviation over the folds (divided by folds - 1)."""


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep that ended, or was ended."""

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
        """The winner."""
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
