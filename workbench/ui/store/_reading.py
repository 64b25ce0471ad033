"""Cached reads of the tracking store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from tracking import Reader, open_table
from tracking.errors import RunNotFoundError
from tracking.query import Names, Query, Table, Values
from tracking.query import Page as TablePage
from workbench.ui.store._cache import forgettable, generation, uri
from workbench.ui.store._run import Points, Run, from_tracking

_ID = re.compile(r"[0-9a-f]{32}")
_STEPS = ("validation/loss", "train/loss", "validation/accuracy", "train/accuracy")
_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows of the table, and how many there are."""

    rows: list[Run]
    total: int


@st.cache_resource(show_spinner=False, max_entries=4)
def open_cached_table(address: str) -> Table:
    """The table of a store, opened once."""
    return open_table(address)


@st.cache_resource(show_spinner=False, max_entries=4, ttl=30)
def open_reader(address: str) -> Reader:
    """The reader of a store, opened once."""
    return Reader(address)


@forgettable
@st.cache_data(ttl=2, show_spinner=False)
def _page(address: str, since: int, query: Query, offset: int, limit: int) -> Page:
    table_page: TablePage = open_cached_table(address).page(query, offset, limit)
    return Page(rows=[from_tracking(run) for run in table_page.rows], total=table_page.total)


def page(query: Query | None = None, offset: int = 0, limit: int = 50) -> Page:
    """Rows `offset` to `offset + limit` of what a query finds.

    Raises:
        QueryError: the store does not understand the filter.
    """
    return _page(uri(), generation(), query or Query(), offset, limit)


@forgettable
@st.cache_data(ttl=30, show_spinner=False)
def _names(address: str, since: int) -> Names:
    names_of_store = open_cached_table(address).names()
    shown = [name for name in names_of_store.metrics if not name.startswith("health/")]
    return Names(
        experiments=names_of_store.experiments,
        metrics=shown,
        params=names_of_store.params,
        tags=[n for n in names_of_store.tags if not n.startswith("workbench.")],
    )


def names() -> Names:
    """Experiments, metrics and parameters that can be chosen."""
    return _names(uri(), generation())


@forgettable
@st.cache_data(ttl=30, max_entries=8, show_spinner=False)
def _values(address: str, since: int, query: Query, names: tuple[str, ...]) -> Values:
    return open_cached_table(address).values(query, names)


def values(query: Query, names: Sequence[str]) -> Values:
    """Some values of every run that a query finds, by run id and name.

    Raises:
        QueryError: the store does not understand the filter.
    """
    return _values(uri(), generation(), query, tuple(names))


def every(query: Query) -> list[Run]:
    """All runs that a query finds."""
    first = page(query, 0, _AT_ONCE)
    rows = list(first.rows)
    while len(rows) < first.total and (more := page(query, len(rows), _AT_ONCE).rows):
        rows += more
    return rows


def explain(text: str) -> str:
    """A filter as the store understands it.

    Raises:
        QueryError: the store does not understand it.
    """
    return open_cached_table(uri()).explain(text)


def recent(kinds: tuple[str, ...], limit: int = 100, text: str = "") -> Page:
    """The latest runs of some kinds that match a filter; archived ones are left out."""
    return page(Query(kinds=kinds, archived=False, text=text), 0, limit)


def is_id(text: str) -> bool:
    """Whether a text can be a run's id."""
    return _ID.fullmatch(text) is not None


@forgettable
@st.cache_data(ttl=1.5, show_spinner=False)
def _run(address: str, since: int, run_id: str) -> Run | None:
    try:
        return from_tracking(open_reader(address).run(run_id))
    except RunNotFoundError:
        return None


def run(run_id: str) -> Run | None:
    """A run, or None: also for text that is no run's id."""
    return _run(uri(), generation(), run_id) if is_id(run_id) else None


def children(run_id: str) -> list[Run]:
    """The trials of a sweep."""
    return every(Query(parent=run_id, descending=False))


@forgettable
@st.cache_data(ttl=2, max_entries=200, show_spinner=False)
def _history(address: str, since: int, run_id: str) -> dict[str, Points]:
    histories = open_cached_table(address).history(run_id)
    return {name: [(float(s), v) for s, v in points] for name, points in histories.items()}


def history(run_id: str) -> dict[str, Points]:
    """Every metric's (step, value) points."""
    return _history(uri(), generation(), run_id)


@forgettable
@st.cache_data(ttl=2, max_entries=100, show_spinner=False)
def _curves(address: str, since: int, run_ids: tuple[str, ...], metric: str) -> dict[str, Points]:
    curves_by_run = open_cached_table(address).curves(run_ids, metric)
    return {run_id: [(float(s), v) for s, v in points] for run_id, points in curves_by_run.items()}


def curves(run_ids: Sequence[str], metric: str) -> dict[str, Points]:
    """(step, value) points of one metric for some runs, by run id."""
    return _curves(uri(), generation(), tuple(run_ids), metric)


def sparklines(run_ids: Sequence[str], metric: str) -> dict[str, list[float]]:
    """The values of one metric for some runs, in the order of the steps."""
    return {run_id: [v for _, v in points] for run_id, points in curves(run_ids, metric).items()}


def num_epochs(run_id: str) -> int | None:
    """Epochs done."""
    metrics = history(run_id)
    steps = [points[-1][0] for name in _STEPS if (points := metrics.get(name))]
    return int(max(steps)) if steps else None
