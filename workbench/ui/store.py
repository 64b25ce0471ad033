"""Runs as the pages want them: cached reads of the tracking store, and the few writes allowed."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st
from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from workbench.errors import WorkbenchError
from workbench.ui import home

Points = list[tuple[float, float]]

USUAL_COLUMNS = (
    "best/validation/accuracy", "validation/accuracy", "test/accuracy", "net.activation",
    "training.learning_rate", "training.batch_size", "training.optimizer",
)  # fmt: skip
KINDS = ("train", "sweep", "trial")
_ID = re.compile(r"[0-9a-f]{32}")
_MAIN = ("best/validation/accuracy", "validation/accuracy", "validation/loss")


class QueryError(WorkbenchError):
    """A filter that the store does not understand."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, as last seen."""

    id: str
    name: str
    experiment: str
    kind: str
    """train, sweep, trial; empty for runs of other programs."""
    status: str
    """RUNNING, FINISHED, STOPPED (early, by a sweep), FAILED, KILLED."""
    start: float | None
    """Seconds since the epoch, as `end`."""
    end: float | None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    """The last value of each."""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took, or has been running."""
        return None if self.start is None else (self.end or time.time()) - self.start

    @property
    def num_epochs(self) -> float | None:
        """Epochs done."""
        return self.metrics.get("epoch")

    def best(self) -> tuple[str, float] | None:
        """Its main metric and the best value of it."""
        known = next((m for m in _MAIN if m in self.metrics), None)
        return None if known is None else (known.removeprefix("best/"), self.metrics[known])

    def best_of(self, metric: str, mode: str) -> float | None:
        """The best value of a metric over the epochs."""
        if f"best/{metric}" in self.metrics:
            return self.metrics[f"best/{metric}"]
        values = [value for _, value in history(self.id).get(metric, [])]
        return (max if mode == "max" else min)(values, default=None)

    def value(self, name: str) -> float | str | None:
        """A metric's last value, or a parameter."""
        return self.metrics.get(name, self.params.get(name))


@dataclass(frozen=True, kw_only=True)
class Query:
    """What the table of runs shows."""

    text: str = ""
    """MLflow's filter syntax."""
    kinds: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    order: str = "start time"
    descending: bool = True
    columns: tuple[str, ...] = ()
    deleted: bool = False
    sweep: str = ""
    """Only the trials of this run."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows of the table."""

    rows: list[Run]
    total: int


@dataclass(frozen=True, kw_only=True)
class Names:
    """What can be chosen."""

    experiments: list[str]
    metrics: list[str]
    params: list[str]


def uri() -> str:
    """The tracking store's address."""
    default = f"sqlite:///{home.folder() / 'mlflow.db'}"
    return os.environ.get("MLFLOW_TRACKING_URI") or default


@st.cache_resource(show_spinner=False)
def _client_of(address: str) -> MlflowClient:
    home.folder().mkdir(parents=True, exist_ok=True)
    return MlflowClient(address)


def _client() -> MlflowClient:
    return _client_of(uri())


def _read(run: MlflowRun, experiments: dict[str, str]) -> Run:
    info, data = run.info, run.data
    status = info.status
    if status == "FINISHED" and "workbench.stopped" in data.tags:
        status = "STOPPED"
    return Run(
        id=info.run_id,
        name=info.run_name or info.run_id[:8],
        experiment=experiments.get(info.experiment_id, info.experiment_id),
        kind=data.tags.get("workbench.kind", ""),
        status=status,
        start=info.start_time / 1000 if info.start_time else None,
        end=info.end_time / 1000 if info.end_time else None,
        params=dict(data.params),
        metrics=dict(data.metrics),
        tags=dict(data.tags),
    )


@st.cache_data(ttl=5, show_spinner=False)
def _experiments(address: str) -> dict[str, str]:
    return {e.experiment_id: e.name for e in _client_of(address).search_experiments()}


@st.cache_data(ttl=2, show_spinner=False)
def _page(address: str, query: Query, offset: int, limit: int) -> Page:
    known = _experiments(address)
    ids = [i for i, name in known.items() if not query.experiments or name in query.experiments]
    parts = [query.text] if query.text.strip() else []
    if query.kinds:
        # MLflow knows no IN for tags, so "one of" is "none of the others"
        others = [k for k in KINDS if k not in query.kinds]
        parts += [f"tags.`workbench.kind` != '{k}'" for k in others]
    if _ID.fullmatch(query.sweep):
        parts.append(f"tags.`workbench.sweep` = '{query.sweep}'")
    order = "attributes.start_time" if query.order == "start time" else f"metrics.`{query.order}`"
    client = _client_of(address)
    view = ViewType.DELETED_ONLY if query.deleted else ViewType.ACTIVE_ONLY
    rows: list[Run] = []
    token: str | None = None
    try:
        while len(rows) < offset + limit:
            found = client.search_runs(
                ids, " and ".join(parts), view, max_results=min(1000, offset + limit),
                order_by=[f"{order} {'DESC' if query.descending else 'ASC'}"], page_token=token,
            )  # fmt: skip
            rows += [_read(run, known) for run in found]
            token = found.token
            if not token:
                break
    except MlflowException as error:
        raise QueryError(f"The store does not understand this filter: {error.message}") from error
    total = len(rows) + (1 if token else 0)
    return Page(rows=rows[offset : offset + limit], total=total)


def page(query: Query | None = None, offset: int = 0, limit: int = 50) -> Page:
    """Rows `offset` to `offset + limit` of what a query finds.

    Raises:
        QueryError: the store does not understand the filter.
    """
    return _page(uri(), query or Query(), offset, limit)


@st.cache_data(ttl=30, show_spinner=False)
def _names(address: str) -> Names:
    latest = _page(address, Query(), 0, 200).rows
    metrics = sorted({m for run in latest for m in run.metrics})
    return Names(
        experiments=sorted({run.experiment for run in latest}),
        metrics=[m for m in metrics if not m.startswith("health/")],
        params=sorted({p for run in latest for p in run.params}),
    )


def names() -> Names:
    """Experiments, metrics and parameters that can be chosen."""
    return _names(uri())


def recent(kinds: tuple[str, ...], limit: int = 100) -> list[Run]:
    """The latest runs of some kinds, the newest first."""
    return page(Query(kinds=kinds), 0, limit).rows


@st.cache_data(ttl=1.5, show_spinner=False)
def _run(address: str, run_id: str) -> Run | None:
    try:
        return _read(_client_of(address).get_run(run_id), _experiments(address))
    except MlflowException:
        return None


def run(run_id: str) -> Run | None:
    """A run, or None: also for text that is no run's id."""
    return _run(uri(), run_id) if _ID.fullmatch(run_id) else None


@st.cache_data(ttl=2, show_spinner=False)
def _children(address: str, run_id: str) -> list[Run]:
    return _page(address, Query(sweep=run_id), 0, 5000).rows


def children(run_id: str) -> list[Run]:
    """The trials of a sweep."""
    return _children(uri(), run_id)


@st.cache_data(ttl=2, max_entries=200, show_spinner=False)
def _history(address: str, run_id: str) -> dict[str, Points]:
    found = _run(address, run_id)
    if found is None:
        return {}
    client = _client_of(address)
    result = {}
    for name in found.metrics:
        points = client.get_metric_history(run_id, name)
        result[name] = sorted((float(p.step), float(p.value)) for p in points)
    return result


def history(run_id: str) -> dict[str, Points]:
    """Every metric's (step, value) points."""
    return _history(uri(), run_id)


def sparklines(run_ids: Sequence[str], metric: str) -> dict[str, list[float]]:
    """The course of one metric for some runs."""
    return {i: [value for _, value in history(i).get(metric, [])] for i in run_ids}


@st.cache_data(ttl=3, max_entries=500, show_spinner=False)
def _artifact_names(address: str, run_id: str, folder: str) -> list[str]:
    client = _client_of(address)
    found: list[str] = []
    waiting = [folder]
    while waiting:
        for item in client.list_artifacts(run_id, waiting.pop() or None):
            (waiting if item.is_dir else found).append(item.path)
    return sorted(found)


def artifact_names(run_id: str, folder: str = "") -> list[str]:
    """Paths of the run's files below a folder."""
    if not _ID.fullmatch(run_id):
        return []
    try:
        return _artifact_names(uri(), run_id, folder)
    except MlflowException:
        return []


@st.cache_resource(show_spinner=False)
def _downloads() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="workbench-ui-")


def artifact(run_id: str, path: str) -> Path | None:
    """A file or folder of a run on this disk; None where it has none of that name."""
    names_below = artifact_names(run_id, path.rsplit("/", 1)[0] if "/" in path else "")
    if path not in names_below and not any(n.startswith(path + "/") for n in names_below):
        return None
    return _artifact(uri(), run_id, path)


@st.cache_data(max_entries=2000, show_spinner=False)
def _artifact(address: str, run_id: str, path: str) -> Path | None:
    target = Path(_downloads().name) / run_id
    target.mkdir(exist_ok=True)
    try:
        return Path(_client_of(address).download_artifacts(run_id, path, str(target)))
    except (MlflowException, OSError):
        return None


def set_deleted(run_ids: Sequence[str], deleted: bool) -> None:
    """Delete runs (they can be restored), or restore them."""
    for run_id in run_ids:
        (_client().delete_run if deleted else _client().restore_run)(run_id)
    forget()


def annotate(run_ids: Sequence[str], tag: str, value: str, note: str) -> None:
    """Set a tag and a note, each where it is not empty."""
    for run_id in run_ids:
        if tag:
            _client().set_tag(run_id, tag, value)
        if note:
            _client().set_tag(run_id, "mlflow.note.content", note)
    forget()


def forget() -> None:
    """Read everything that can change again."""
    for cached in (_page, _run, _children, _names):
        cached.clear()
