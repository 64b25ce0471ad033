"""Runs for the pages: cached reads of the tracking store, and the few writes that a person can ask for."""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

import tracking
from nets import best_epoch
from tracking import Reader, edit, hide_passwords, open_table, store_uri
from tracking.errors import ArtifactError, QueryError, RunNotFoundError, TrackingError
from tracking.query import KINDS, START, Names, Query, Table
from tracking.query import Page as TablePage
from tracking.store import sqlite_file
from workbench.ui import store_version

# Copying a file of a kilobyte is no reason for a progress bar in the UI's log
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

__all__ = [
    "KINDS",
    "START",
    "USUAL_COLUMNS",
    "Names",
    "Page",
    "Query",
    "QueryError",
    "Run",
    "TrackingError",
    "annotate",
    "artifact",
    "artifact_names",
    "children",
    "curves",
    "every",
    "explain",
    "forget",
    "history",
    "names",
    "page",
    "printable_uri",
    "read_stamp",
    "recent",
    "refresh",
    "rename",
    "run",
    "set_archived",
    "set_deleted",
    "sparklines",
    "state_of",
    "uri",
    "write_note",
]

Points = list[tuple[float, float]]

USUAL_COLUMNS = (
    "best/validation/accuracy",
    "validation/accuracy",
    "test/accuracy",
    "net.activation",
    "training.learning_rate",
    "training.batch_size",
    "training.optimizer",
)
_ID = re.compile(r"[0-9a-f]{32}")
_MAIN = (
    "best/validation/accuracy",
    "validation/accuracy",
    "best/validation/loss",
    "validation/loss",
)
_STEPS = ("validation/loss", "train/loss", "validation/accuracy", "train/accuracy")
_TRIALS = 5_000
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


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows of the table, and how many there are."""

    rows: list[Run]
    total: int


def printable_uri() -> str:
    """The tracking store's address for people, without its password."""
    return hide_passwords(uri())


def uri() -> str:
    """The tracking store's address."""
    return store_uri()


@st.cache_resource(show_spinner=False, max_entries=4)
def _table(address: str) -> Table:
    return open_table(address)


@st.cache_resource(show_spinner=False, max_entries=4, ttl=30)
def _reader(address: str) -> Reader:
    return Reader(address)


def _from_tracking(run: tracking.Run) -> Run:
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


@st.cache_data(ttl=2, show_spinner=False)
def _page(address: str, since: int, query: Query, offset: int, limit: int) -> Page:
    table_page: TablePage = _table(address).page(query, offset, limit)
    return Page(rows=[_from_tracking(run) for run in table_page.rows], total=table_page.total)


def page(query: Query | None = None, offset: int = 0, limit: int = 50) -> Page:
    """Rows `offset` to `offset + limit` of what a query finds.

    Raises:
        QueryError: the store does not understand the filter.
    """
    return _page(uri(), _forgotten, query or Query(), offset, limit)


@st.cache_data(ttl=30, show_spinner=False)
def _names(address: str, since: int) -> Names:
    names_of_store = _table(address).names()
    shown = [name for name in names_of_store.metrics if not name.startswith("health/")]
    return Names(
        experiments=names_of_store.experiments,
        metrics=shown,
        params=names_of_store.params,
        tags=[n for n in names_of_store.tags if not n.startswith("workbench.")],
    )


def names() -> Names:
    """Experiments, metrics and parameters that can be chosen."""
    return _names(uri(), _forgotten)


def every(query: Query) -> list[Run]:
    """All runs that a query finds."""
    rows: list[Run] = []
    while more := page(query, len(rows), 1000).rows:
        rows += more
    return rows


def explain(text: str) -> str:
    """A filter as the store understands it.

    Raises:
        QueryError: the store does not understand it.
    """
    return _table(uri()).explain(text)


def read_stamp() -> object:
    """Something that differs once the store has changed."""
    file = sqlite_file(uri())
    if file is None:
        newest = page(None, 0, 1)
        return newest.total, [(run.id, run.status, run.metrics) for run in newest.rows]
    return store_version.read_version(file)


def refresh() -> object:
    """Empty the caches if the store has changed since the last call; its stamp.

    A page drawn from an older cache would not notice: the change is before its stamp.
    """
    stamp = read_stamp()
    with _refreshing:
        if _last_stamp.get(uri()) != stamp:
            forget()
            _last_stamp[uri()] = stamp
    return stamp


_last_stamp: dict[str, object] = {}
_refreshing = threading.Lock()
_forgotten = 0
"""How often the caches were emptied. It is a part of their keys: a read that began before, in the
thread of another window, must not be found as an answer afterwards."""


def recent(kinds: tuple[str, ...], limit: int = 100, text: str = "") -> Page:
    """The latest runs of some kinds that match a filter; archived ones are left out."""
    return page(Query(kinds=kinds, archived=False, text=text), 0, limit)


@st.cache_data(ttl=1.5, show_spinner=False)
def _run(address: str, since: int, run_id: str) -> Run | None:
    try:
        return _from_tracking(_reader(address).run(run_id))
    except RunNotFoundError:
        return None


def run(run_id: str) -> Run | None:
    """A run, or None: also for text that is no run's id."""
    return _run(uri(), _forgotten, run_id) if _ID.fullmatch(run_id) else None


def children(run_id: str) -> list[Run]:
    """The trials of a sweep."""
    return page(Query(parent=run_id, descending=False), 0, _TRIALS).rows


@st.cache_data(ttl=2, max_entries=200, show_spinner=False)
def _history(address: str, since: int, run_id: str) -> dict[str, Points]:
    histories = _table(address).history(run_id)
    return {name: [(float(s), v) for s, v in points] for name, points in histories.items()}


def history(run_id: str) -> dict[str, Points]:
    """Every metric's (step, value) points."""
    return _history(uri(), _forgotten, run_id)


@st.cache_data(ttl=2, max_entries=100, show_spinner=False)
def _curves(address: str, since: int, run_ids: tuple[str, ...], metric: str) -> dict[str, Points]:
    curves_by_run = _table(address).curves(run_ids, metric)
    return {run_id: [(float(s), v) for s, v in points] for run_id, points in curves_by_run.items()}


def curves(run_ids: Sequence[str], metric: str) -> dict[str, Points]:
    """(step, value) points of one metric for some runs, by run id."""
    return _curves(uri(), _forgotten, tuple(run_ids), metric)


def sparklines(run_ids: Sequence[str], metric: str) -> dict[str, list[float]]:
    """The values of one metric for some runs, in the order of the steps."""
    return {run_id: [v for _, v in points] for run_id, points in curves(run_ids, metric).items()}


def num_epochs(run_id: str) -> int | None:
    """Epochs done."""
    metrics = history(run_id)
    steps = [points[-1][0] for name in _STEPS if (points := metrics.get(name))]
    return int(max(steps)) if steps else None


@st.cache_data(ttl=3, max_entries=500, show_spinner=False)
def _artifact_names(address: str, run_id: str, folder: str) -> list[str]:
    try:
        return _reader(address).artifacts(run_id, folder)
    except Exception:  # the store behind the artifacts may raise anything of its own
        return []


def artifact_names(run_id: str, folder: str = "") -> list[str]:
    """Paths of the run's files below a folder."""
    return _artifact_names(uri(), run_id, folder) if _ID.fullmatch(run_id) else []


@st.cache_resource(show_spinner=False)
def _downloads() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="workbench-ui-")


def artifact(run_id: str, path: str) -> Path | None:
    """A file of a run on this disk; None where the run lists none of that name."""
    folder = path.rpartition("/")[0]
    return _artifact(uri(), run_id, path) if path in artifact_names(run_id, folder) else None


@st.cache_data(max_entries=2000, show_spinner=False)
def _artifact(address: str, run_id: str, path: str) -> Path | None:
    target = Path(_downloads().name) / run_id
    target.mkdir(exist_ok=True)
    try:
        return _reader(address).download(run_id, path, target)
    except (ArtifactError, TrackingError, OSError):
        return None


def set_deleted(run_ids: Sequence[str], deleted: bool) -> None:
    """Delete runs (they can be restored), or restore them."""
    edit.set_deleted(run_ids, deleted, uri())
    forget()


def set_archived(runs: Sequence[Run], archived: bool) -> None:
    """Archive runs, or take them back; with a sweep go its trials."""
    ids = [run.id for run in runs]
    ids += [trial.id for run in runs if run.kind == "sweep" for trial in children(run.id)]
    edit.set_archived(list(dict.fromkeys(ids)), archived, uri())
    forget()


def annotate(run_ids: Sequence[str], tag: str, value: str, note: str) -> None:
    """Set a tag and a note, each where it is not empty.

    Raises:
        TrackingError: the tag is one that programs write.
    """
    if tag:
        edit.set_tag(run_ids, tag, value, uri())
    if note:
        edit.set_note(run_ids, note, uri())
    forget()


def rename(run_id: str, name: str) -> None:
    """Give a run another name.

    Raises:
        TrackingError: the name is empty or too long.
    """
    edit.rename(run_id, name, uri())
    forget()


def write_note(run_id: str, note: str) -> None:
    """Replace a run's note, also by an empty one."""
    edit.set_note([run_id], note, uri())
    forget()


def forget() -> None:
    """Empty the caches of what can change."""
    global _forgotten
    _forgotten += 1
    for cached in (_page, _run, _names, _curves, _history):
        cached.clear()
