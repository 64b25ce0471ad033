"""Results of a notebook's trainings and sweeps: what `train` and `sweep` return, with what can be drawn."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tracking import Reader
from workbench import html
from workbench.notebook import charts
from workbench.notebook.figure import Figure
from workbench.notebook.recorded import Run
from workbench.notebook.views import RunViews
from workbench.results import SweepResult, TrainResult

if TYPE_CHECKING:
    import pandas as pd


class Interrupted(KeyboardInterrupt):
    """The person stopped it. A notebook shows the message, and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"Interrupted: {self}"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Training(TrainResult, RunViews):
    """A finished training, and its run."""

    reader: Reader = field(repr=False, compare=False)
    """The store that its run is in."""

    @classmethod
    def of(cls, result: TrainResult, reader: Reader) -> Training:
        """A result with its run."""
        values = {each.name: getattr(result, each.name) for each in fields(TrainResult)}
        return cls(**values, reader=reader)

    @property
    def run(self) -> Run:
        """Its run, read anew."""
        return Run(self.reader.run(self.run_id), self.reader)

    def _repr_html_(self) -> str:
        lines = {
            name: list(self.history[name].dropna().items())
            for name in ("train/loss", "validation/loss")
            if name in self.history
        }
        return super()._repr_html_() + html.curve(lines)


@dataclass(frozen=True, kw_only=True, repr=False)
class Sweep(SweepResult):
    """A sweep that finished or was stopped, and its runs."""

    metric: str
    """What trials are ranked by."""
    logs: tuple[str, ...] = ()
    """Settings that were searched by their logarithm."""
    reader: Reader = field(repr=False, compare=False)
    """The store that its runs are in."""

    @cached_property
    def best_run(self) -> Run:
        """The run of the best trial: its net, curves, mistakes."""
        return Run(self.reader.run(self.best.run_id), self.reader)

    @property
    def run(self) -> Run:
        """The sweep's own run, read anew."""
        return Run(self.reader.run(self.run_id), self.reader)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each trial, the best first: settings, status, epochs, seconds, value, metrics."""
        import pandas as pd

        rows = [
            {
                "trial": trial.number,
                "run": trial.run_id,
                "status": trial.status,
                **trial.settings,
                "epochs": trial.epochs,
                "seconds": trial.seconds,
                self.metric: trial.value,
                **{n: v for n, v in trial.metrics.items() if n != self.metric and n != "epoch"},
            }
            for trial in self.trials
        ]
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()

    def parallel(self) -> Figure:
        """Parallel coordinates: an axis for each setting, a line for each trial that has a result."""
        paths = sorted({path for trial in self.trials for path in trial.settings})
        frame = self.frame[[*paths, self.metric]].dropna()
        title = f"{len(frame)} trials by {self.metric}"
        draw: Any = charts.parallel(frame, self.metric, self.logs)
        return Figure(title, frame, draw, (1.6 * (len(paths) + 1) + 1, 3.6))
