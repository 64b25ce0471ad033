"""Queries for runs, and the table that answers them a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tracking.run import Run

START = "start"
"""The order by start time."""
ATTRIBUTES = {"start": "start_time", "end": "end_time", "name": "run_name", "status": "status"}
"""What every run has: our name to MLflow's."""
KINDS = ("train", "sweep", "trial")
"""Values of the tag `workbench.kind`."""

Curves = dict[str, list[tuple[int, float]]]
"""Name, or run id, to (step, value) points in the order of the steps."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which runs, and in which order."""

    text: str = ""
    """MLflow's filter syntax."""
    kinds: tuple[str, ...] = ()
    """Of `KINDS`; () for all runs, also those of other programs."""
    experiments: tuple[str, ...] = ()
    """Names; () for all."""
    parent: str = ""
    """Only the trials of this sweep."""
    order: str = START
    """One of `ATTRIBUTES`, or the name of a metric, else of a parameter, else of a tag; runs without
    it come last."""
    descending: bool = True
    archived: bool | None = None
    """True: only archived runs; False: none of them; None: whether or not."""
    deleted: bool = False
    """The deleted runs instead of the others."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows, and how many there are in all."""

    rows: list[Run]
    total: int


@dataclass(frozen=True, kw_only=True)
class Names:
    """What runs can be filtered and sorted by."""

    experiments: list[str]
    metrics: list[str]
    params: list[str]


class Table(Protocol):
    """Read access to the runs of one store."""

    def page(self, query: Query, offset: int = 0, limit: int = 50) -> Page:
        """Rows `offset` to `offset + limit` of what a query finds.

        Raises:
            QueryError: the store does not understand the filter.
        """
        ...

    def names(self) -> Names:
        """What there is to choose from, sorted."""
        ...

    def curves(self, run_ids: Sequence[str], metric: str) -> Curves:
        """One metric of some runs, by run id; runs without it are left out."""
        ...

    def history(self, run_id: str) -> Curves:
        """Every metric of one run, by name."""
        ...


def sort_points(points: Mapping[str, list[tuple[int, float]]]) -> Curves:
    """Points in the order of their steps."""
    return {name: sorted(found) for name, found in points.items()}
