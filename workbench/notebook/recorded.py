"""Runs as the store has them: lists that can be filtered, and one run with what can be drawn of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import tracking
from tracking import Reader
from workbench import html
from workbench.notebook.views import RunViews

if TYPE_CHECKING:
    import pandas as pd

_PARAMS = ("net.kind", "net.activation", "training.learning_rate", "training.batch_size")
"""Settings that a list of runs shows where they differ."""


class Run(RunViews):
    """One recorded run."""

    def __init__(self, record: tracking.Run, reader: Reader) -> None:
        self.run_id, self.reader, self.record = record.run_id, reader, record

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def status(self) -> str:
        """RUNNING, FINISHED, FAILED or KILLED."""
        return self.record.status

    @property
    def kind(self) -> str:
        """train, sweep or trial; empty for a run of another program."""
        return self.record.kind

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric; `best/...` is the best so far."""
        return self.record.metrics

    @property
    def params(self) -> dict[str, str]:
        """The settings, by path, as text."""
        return self.record.params

    @property
    def tags(self) -> dict[str, str]:
        return self.record.tags

    @property
    def trials(self) -> Runs:
        """Of a sweep, its trials in the order they started."""
        return Runs(self.reader.children(self.run_id), self.reader)

    def __repr__(self) -> str:
        shown = "".join(
            f"\n  {name}: {html.number_text(value)}" for name, value in self._shown().items()
        )
        return f"{self._heading}{shown}"

    def _repr_html_(self) -> str:
        lines = {
            name: list(self.history[name].dropna().items())
            for name in ("train/loss", "validation/loss")
            if name in self.history
        }
        return html.title(self._heading) + html.curve(lines) + html.pairs(self._shown())

    @property
    def _heading(self) -> str:
        kind = f"{self.kind} " if self.kind else ""
        return f"Run {self.run_id[:8]} {kind}{self.name}, {self.status.lower()}"

    def _shown(self) -> dict[str, Any]:
        kept = ("best/validation/", "test/", "baseline/")
        return {n: v for n, v in sorted(self.metrics.items()) if n.startswith(kept)}


@dataclass(frozen=True)
class Runs(Sequence[Run]):
    """Some runs, the newest first; an index gives one, `frame` all of them as a table."""

    records: Sequence[tracking.Run]
    reader: Reader = field(repr=False)
    kinds: tuple[str, ...] = ()
    limit: int = 50

    def filter(self, text: str) -> Runs:
        """The newest runs of the store that a filter finds: words, conditions (`test/accuracy > 0.9`).

        Raises:
            QueryError: the store does not understand it.
        """
        found = self.reader.runs(text=text, kinds=self.kinds, limit=self.limit)
        return Runs(found, self.reader, self.kinds, self.limit)

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each run: name, status, start, seconds, then settings and metrics."""
        import pandas as pd

        rows = [
            {
                "run": run.run_id,
                "name": run.name,
                "kind": run.kind,
                "status": run.status,
                "start": None if run.start is None else pd.Timestamp(run.start, unit="s"),
                "seconds": run.seconds,
                **run.params,
                **run.metrics,
            }
            for run in self.records
        ]
        return pd.DataFrame(rows).set_index("run") if rows else pd.DataFrame()

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> Runs: ...
    def __getitem__(self, place: int | slice) -> Run | Runs:
        if isinstance(place, slice):
            return Runs(self.records[place], self.reader, self.kinds, self.limit)
        return Run(self.records[place], self.reader)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Run]:
        return (Run(record, self.reader) for record in self.records)

    def __str__(self) -> str:
        heads, rows = self._table()
        lines = ["  ".join(html.number_text(cell) for cell in row) for row in [heads, *rows]]
        return "\n".join([f"{len(self)} runs", *lines])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        more = f"the newest {self.limit}; limit= gives more" if len(self) == self.limit else ""
        return html.title(f"{len(self)} runs", more) + html.table(*self._table())

    def _table(self) -> tuple[list[str], list[list[Any]]]:
        differing = [
            path for path in _PARAMS if len({run.params.get(path) for run in self.records}) > 1
        ]
        heads = ["run", "name", "kind", "status", *(p.rpartition(".")[2] for p in differing)]
        rows = [
            [run.run_id[:8], run.name, run.kind, run.status.lower()]
            + [run.params.get(path, "") for path in differing]
            + [_main_metric(run)]
            for run in self.records
        ]
        return [*heads, "best"], rows


def _main_metric(run: tracking.Run) -> str:
    """The metric that the run was compared by, with its best value."""
    monitor = run.params.get("training.monitor", "validation/accuracy")
    for name in (f"best/{monitor}", monitor, "best/validation/accuracy", "best/validation/loss"):
        if name in run.metrics:
            return f"{name.removeprefix('best/')} {html.number_text(run.metrics[name])}"
    return ""
