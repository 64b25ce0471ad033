"""Results of trainings and sweeps: plain values that can be sent to any process as JSON."""

from __future__ import annotations

import statistics
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

    def news(self, total: int, metric: str, repeated: Sequence[str] = ()) -> TrialNews:
        """The event for a `Progress`: one of `total` trials, ranked by the sweep's `metric`."""
        best = {} if self.value is None else {metric: self.value}
        metrics = best | {"epoch": float(self.epochs)}
        return TrialNews(self.number, total, self.status, self.settings, metrics, repeated)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Settings tried on every fold of a cross-validation, or with several seeds."""

    settings: Settings
    """What the sweep chose, without the fold and the seed."""
    trials: list[TrialResult]
    """One for each fold and seed."""
    mean: float | None
    """Mean of the sweep's metric over them; None: one has no result."""
    deviation: float | None
    """Standard deviation over them (divided by their number - 1); None: there is one, or no mean."""

    def mean_of(self, metric: str) -> float | None:
        """Mean of another metric over them; None: one has no such value."""
        values = [trial.metrics.get(metric) for trial in self.trials]
        present = [value for value in values if value is not None]
        return statistics.fmean(present) if len(present) == len(values) else None

    @property
    def spread(self) -> str:
        """`0.9712 ± 0.0031`."""
        if self.mean is None:
            return ""
        rest = "" if self.deviation is None else f" ± {self.deviation:.2g}"
        return f"{self.mean:.4g}{rest}"


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """A sweep that finished or was stopped."""

    run_id: str
    """The sweep's run in MLflow; the trials' runs are its children."""
    trials: list[TrialResult]
    """The best first; with cross-validation and repeats those of the best configuration."""
    interrupted: bool = False
    """Stopped before all trials were done; `resume=run_id` goes on."""
    configurations: list[Configuration] = field(default_factory=list)
    """With cross-validation (`data.split.folds`) or repeats (`sweep.repeats`): the best mean first."""
    objectives: dict[str, str] = field(default_factory=dict)
    """With several objectives: name to `max` or `min`; the values are in `TrialResult.metrics`."""
    front: list[int] = field(default_factory=list)
    """With several objectives: numbers of the trials on the Pareto front. Of no other trial (with
    repeats: mean) is every objective as good and one better."""
    rows: int | None = None
    """Rows that the sweep's metric is measured on; None: not the same for all trials."""

    @property
    def best(self) -> TrialResult:
        """The best trial."""
        return self.trials[0]

    def __str__(self) -> str:
        heads, rows = self.leaderboard()
        lines = [heads, *([html.number_text(cell) for cell in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.heading, *text])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return html.title(self.heading) + html.table(*self.leaderboard())

    @property
    def heading(self) -> str:
        """The run and the number of trials, in one line."""
        state = ", interrupted" if self.interrupted else ""
        more = f", the first {_ROWS} shown" if len(self.trials) > _ROWS else ""
        return f"Sweep {self.run_id[:8]}, {len(self.trials)} trials{state}{more}"

    def leaderboard(self) -> tuple[list[str], list[list[Any]]]:
        """Heads and rows of the first settings, where each has several trials; else of the first trials."""
        heads, rows = self._of_configurations() if self.configurations else self._of_trials()
        if not self.objectives:
            return heads, rows
        marks = [*heads[:2], "front", *heads[2:]]
        return marks, rows

    def _of_configurations(self) -> tuple[list[str], list[list[Any]]]:
        shown = self.configurations[:_ROWS]
        paths = sorted({path for one in shown for path in one.settings})
        others = list(self.objectives)[1:]
        heads = ["#", "trials", "mean", *others, *(path.rpartition(".")[2] for path in paths)]
        rows = [
            [
                *(place, ", ".join(str(trial.number) for trial in one.trials), one.spread),
                *(one.mean_of(name) for name in others),
                *(one.settings.get(path) for path in paths),
            ]
            for place, one in enumerate(shown, 1)
        ]
        return heads, self._mark(rows, [one.trials[0].number for one in shown])

    def _mark(self, rows: list[list[Any]], numbers: list[int]) -> list[list[Any]]:
        """With several objectives: a star for those on the front, after the second column."""
        if not self.objectives:
            return rows
        return [
            [*row[:2], "*" if number in self.front else "", *row[2:]]
            for row, number in zip(rows, numbers, strict=True)
        ]

    def _of_trials(self) -> tuple[list[str], list[list[Any]]]:
        shown = self.trials[:_ROWS]
        others = list(self.objectives)[1:]
        paths = sorted({path for trial in shown for path in trial.settings})
        heads = ["#", "trial", "value", *others, *(path.rpartition(".")[2] for path in paths)]
        rows = [
            [
                *(place, trial.number, trial.value),
                *(trial.metrics.get(name) for name in others),
                *(trial.settings.get(path) for path in paths),
                *(trial.epochs, trial.status.lower()),
            ]
            for place, trial in enumerate(shown, 1)
        ]
        return [*heads, "epochs", "status"], self._mark(rows, [trial.number for trial in shown])

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
            objectives=dict(data.get("objectives", {})),
            front=list(data.get("front", ())),
            rows=data.get("rows"),
        )


def _trials(data: Sequence[Mapping[str, Any]]) -> list[TrialResult]:
    return [TrialResult(**{**each, "checkpoint": None}) for each in data]
