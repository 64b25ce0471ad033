"""Results of trainings and sweeps: plain values that can be sent to any process as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench import html
from workbench.progress import TrialNews

Settings = dict[str, Any]
"""Dotted path to value."""

RateEnd = Literal["risen", "not finite", "highest rate"]

_ROWS = 20
"""Trials that a sweep shows of itself."""


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

    def __str__(self) -> str:
        lines = [f"  {name}: {html.number_text(value)}" for name, value in self.shown.items()]
        return "\n".join([self.heading, *lines, *self.verdicts])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return html.title(self.heading) + html.pairs(self.shown) + html.items(self.verdicts)

    @property
    def heading(self) -> str:
        """The run and its best epoch, in one line."""
        return f"Run {self.run_id[:8]}, best epoch {self.best_epoch} of {self.epochs}"

    @property
    def shown(self) -> dict[str, float]:
        """The metrics of the splits and of the baselines; `metrics` has all."""
        kept = ("train/", "validation/", "test/", "baseline/")
        return {name: value for name, value in self.metrics.items() if name.startswith(kept)}


@dataclass(frozen=True, kw_only=True)
class RateResult:
    """The training loss at rising learning rates, and the rate that it suggests."""

    run_id: str
    """Its run in MLflow."""
    rates: Sequence[float]
    """Learning rate of each step that was taken."""
    losses: Sequence[float]
    """Loss of each step's batch, before its update."""
    suggestion: float | None
    """The rate at which the loss falls fastest; None: it does not clearly fall."""
    end: RateEnd
    """Why there is no further step: the loss had risen, was not finite, or all rates were tried."""

    def __str__(self) -> str:
        found = "no rate lowers the loss" if self.suggestion is None else f"{self.suggestion:.2g}"
        return f"Run {self.run_id[:8]}, learning rate: {found}, {len(self.rates)} tried"


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
    rows: int | None = None
    """Rows that the sweep's metric is measured on; None: not the same for all trials."""

    @property
    def best(self) -> TrialResult:
        """The best trial."""
        return self.trials[0]

    def __str__(self) -> str:
        heads, rows = self._leaderboard()
        lines = [heads, *([html.number_text(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.heading, *text])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return html.title(self.heading) + html.table(*self._leaderboard())

    @property
    def heading(self) -> str:
        """The run and the number of trials, in one line."""
        state = ", interrupted" if self.interrupted else ""
        more = f", the first {_ROWS} shown" if len(self.trials) > _ROWS else ""
        return f"Sweep {self.run_id[:8]}, {len(self.trials)} trials{state}{more}"

    def _leaderboard(self) -> tuple[list[str], list[list[Any]]]:
        """Heads and rows of the first trials."""
        shown = self.trials[:_ROWS]
        paths = sorted({path for trial in shown for path in trial.settings})
        heads = ["#", "trial", "value", *(path.rpartition(".")[2] for path in paths)]
        rows = [
            [
                *(place, trial.number, trial.value),
                *(trial.settings.get(path) for path in paths),
                *(trial.epochs, trial.status.lower()),
            ]
            for place, trial in enumerate(shown, 1)
        ]
        return [*heads, "epochs", "status"], rows

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
            rows=data.get("rows"),
        )


def _trials(data: Sequence[Mapping[str, Any]]) -> list[TrialResult]:
    return [TrialResult(**{**each, "checkpoint": None}) for each in data]
