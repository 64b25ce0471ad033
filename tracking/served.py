"""The table of runs, read through MLflow's API from a tracking server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from tracking.errors import QueryError
from tracking.filter_match import matches
from tracking.filter_names import as_text, is_mlflow, resolve
from tracking.filters import parse
from tracking.query import ATTRIBUTES, EXPERIMENT, KINDS, Curves, Names, Page, Query, Values
from tracking.retry import refusal
from tracking.run import ARCHIVED, PARENT, Run, from_mlflow
from tracking.store import connect

_NAMES_FROM = 200
_CALL = 1000
"""Runs in one answer of the server."""
_MOST = 10_000
"""Runs that are read to search what MLflow's own filters cannot: words, `or`, `not`."""


class ServedTable:
    """Runs of a tracking server. `Page.total` counts rows read, plus a page if more follow."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.client = connect(uri)

    def page(self, query: Query, offset: int = 0, limit: int = 50) -> Page:
        node = resolve(parse(query.text), self.names)
        if is_mlflow(node):
            return self._page(replace(query, text=as_text(node)), offset, limit)
        every = self._page(replace(query, text=""), 0, _MOST)
        if every.total > len(every.rows):
            raise QueryError(
                f"There are more than {_MOST:,} runs, and this filter is searched in memory because "
                "a tracking server has no words, or, not. Choose experiments, or join conditions "
                "by and alone."
            )
        rows = [run for run in every.rows if matches(node, run)]
        return Page(rows=rows[offset : offset + limit], total=len(rows))

    def load(self, run_ids: Sequence[str]) -> list[Run]:
        runs: list[Run] = []
        for run_id in run_ids:
            try:
                run = self.client.get_run(run_id)
                experiment = self.client.get_experiment(run.info.experiment_id)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    continue
                raise refusal(error, self.uri) from error
            runs.append(from_mlflow(run, experiment.name))
        return runs

    def artifact_uri(self, run_id: str) -> None:
        """The server lists files: this process may not be able to read where they are."""

    def values(self, query: Query, names: Sequence[str]) -> Values:
        page = self.page(query, 0, _MOST)
        if page.total > len(page.rows):
            raise QueryError(
                f"There are more than {_MOST:,} runs, and a tracking server sends each of them whole. "
                "Choose experiments, or a filter."
            )
        values: Values = {}
        for run in page.rows:
            of_run: dict[str, str | float] = {
                **run.tags,
                **run.params,
                **run.metrics,
                EXPERIMENT: run.experiment,
            }
            values[run.run_id] = {name: of_run[name] for name in names if name in of_run}
        return values

    def explain(self, text: str) -> str:
        return as_text(resolve(parse(text), self.names))

    def _page(self, query: Query, offset: int, limit: int) -> Page:
        experiments = {e.experiment_id: e.name for e in self.client.search_experiments()}
        ids = [
            i
            for i, name in experiments.items()
            if not query.experiments or name in query.experiments
        ]
        direction = "DESC" if query.descending else "ASC"
        order = self._key(query.order)
        view = ViewType.DELETED_ONLY if query.deleted else ViewType.ACTIVE_ONLY
        runs: list[Any] = []
        token: str | None = None
        while len(runs) < offset + limit:
            try:
                batch = self.client.search_runs(
                    ids,
                    _filter(query),
                    view,
                    max_results=min(_CALL, offset + limit - len(runs)),
                    order_by=[f"{order} {direction}"],
                    page_token=token,
                )
            except MlflowException as error:
                raise QueryError(
                    f"The store does not understand this filter: {error.message}"
                ) from error
            runs += batch
            token = batch.token
            if not token:
                break
        rows = [from_mlflow(run, experiments[run.info.experiment_id]) for run in runs[offset:]]
        return Page(rows=rows, total=len(runs) + (limit if token else 0))

    def names(self) -> Names:
        latest = self._page(Query(), 0, _NAMES_FROM).rows
        return Names(
            experiments=sorted({run.experiment for run in latest}),
            metrics=sorted({name for run in latest for name in run.metrics}),
            params=sorted({name for run in latest for name in run.params}),
            tags=sorted({n for run in latest for n in run.tags if not n.startswith("mlflow.")}),
        )

    def curves(self, run_ids: Sequence[str], metric: str) -> Curves:
        curves = {run_id: self._curve(run_id, metric) for run_id in run_ids}
        return {run_id: points for run_id, points in curves.items() if points}

    def history(self, run_id: str) -> Curves:
        names = self.client.get_run(run_id).data.metrics
        return {name: self._curve(run_id, name) for name in sorted(names)}

    def _curve(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        points = self.client.get_metric_history(run_id, metric)
        return sorted((int(p.step), float(p.value)) for p in points if p.value == p.value)

    def _key(self, name: str) -> str:
        if name in ATTRIBUTES:
            return f"attributes.{ATTRIBUTES[name]}"
        names = self.names()
        kind = "metrics" if name in names.metrics else "params" if name in names.params else "tags"
        return f"{kind}.`{name}`"


def _filter(query: Query) -> str:
    """The whole query as one filter. MLflow has no IN for tags, so other kinds are excluded."""
    parts = [query.text] if query.text.strip() else []
    if query.kinds:
        parts += [f"tags.`workbench.kind` != '{kind}'" for kind in KINDS if kind not in query.kinds]
        parts.append("tags.`workbench.kind` LIKE '%'")
    if query.parent:
        parts.append(f"tags.`{PARENT}` = '{query.parent}'")
    if query.archived is not None:
        parts.append(f"tags.`{ARCHIVED}` IS {'NOT NULL' if query.archived else 'NULL'}")
    return " AND ".join(parts)
