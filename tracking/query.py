"""Queries for runs, and the table that answers them a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tracking.run import Run

START = "start"
"""The order by start time."""
ATTRIBUTES = {"start": "start_time", "end": "end_time", "name": "run_name", "status": "status"}
"""Attributes that every run has: our name to MLflow's."""
KINDS = ("train", "sweep", "trial", "lr_find")
"""Values of the tag `workbench.kind`."""

EXPERIMENT = "experiment"
"""The name of a run's experiment among the names of `Table.values`."""

Values = dict[str, dict[str, str | float]]
"""Run id to the values of some metrics (numbers), parameters and tags (texts)."""

Curves = dict[str, list[tuple[int, float]]]
"""Metric name or run id to (step, value) points, sorted by step."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which runs, and in which order."""

    text: str = ""
    """Words and conditions, or MLflow's filter syntax; see `tracking.filters`."""
    kinds: tuple[str, ...] = ()
    """Some of `KINDS`; (): all runs, including those of other programs."""
    experiments: tuple[str, ...] = ()
    """Names of experiments; (): all."""
    parent: str = ""
    """Only the trials of this sweep."""
    order: str = START
    """One of `ATTRIBUTES`, or the name of a metric, else a parameter, else a tag. Runs without it
    come last."""
    descending: bool = True
    archived: bool | None = None
    """True: only archived runs; False: no archived runs; None: all."""
    deleted: bool = False
    """The deleted runs instead of the others."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows, and the number of all rows."""

    rows: list[Run]
    total: int


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names to filter and sort by."""

    experiments: list[str]
    metrics: list[str]
    params: list[str]
    tags: list[str] = field(default_factory=list)
    """Without those that MLflow writes."""


class Table(Protocol):
    """Read access to the runs of one store."""

    def page(self, query: Query, offset: int = 0, limit: int = 50) -> Page:
        """Rows `offset` to `offset + limit` of a query.

        Raises:
            QueryError: the store does not understand the filter.
        """
        ...

    def load(self, run_ids: Sequence[str]) -> list[Run]:
        """Whole runs, deleted ones too, in the order of their ids; without those that do not exist."""
        ...

    def artifact_uri(self, run_id: str) -> str | None:
        """The address of all files of a run, where the table has it; MLflow may have others."""
        ...

    def names(self) -> Names:
        """All names to choose from, sorted."""
        ...

    def values(self, query: Query, names: Sequence[str]) -> Values:
        """Some values of every run that a query finds: run id to name to value. Names that a run does
        not have are left out.

        Args:
            names: of metrics, parameters and tags, and `experiment` for the name of the experiment.

        Raises:
            QueryError: the store does not understand the filter.
        """
        ...

    def explain(self, text: str) -> str:
        """A filter as it is understood, every name whole.

        Raises:
            QueryError: the store does not understand it.
        """
        ...

    def curves(self, run_ids: Sequence[str], metric: str) -> Curves:
        """One metric of some runs, by run id; runs without it are left out."""
        ...

    def history(self, run_id: str) -> Curves:
        """All metrics of one run, by name."""
        ...


def sort_points(points: Mapping[str, list[tuple[int, float]]]) -> Curves:
    """Points in the order of their steps."""
    return {name: sorted(values) for name, values in points.items()}
