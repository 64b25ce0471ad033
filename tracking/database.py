"""The table of runs, read with SQL from the store's own database.

MLflow's `search_runs` joins every run to a metric to sort by it and loads whole runs: 4.5 s for 50
of 10,000 runs. Here the database sorts by an index and only the rows of the page are loaded.
A filter in MLflow's syntax means the same as in MLflow (`tracking.filters`).
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from tracking import mlflow_private
from tracking.filter_match import compare_number
from tracking.filter_names import as_text, resolve
from tracking.filters import NUMBER, All, Compare, Node, Not, Some, Word, parse
from tracking.query import (
    ATTRIBUTES,
    EXPERIMENT,
    Curves,
    Names,
    Page,
    Query,
    Values,
    sort_points,
)
from tracking.retry import refusal
from tracking.run import ARCHIVED, NOTE, PARENT, Run
from tracking.store import connect

SqlExperiment, SqlRun, SqlLatestMetric, SqlMetric, SqlParam, SqlTag, SqlModel = (
    mlflow_private.run_tables()
)

_ATTRIBUTES = {
    "run_id": SqlRun.run_uuid,
    "run_name": SqlRun.name,
    "status": SqlRun.status,
    "start_time": SqlRun.start_time,
    "end_time": SqlRun.end_time,
    "artifact_uri": SqlRun.artifact_uri,
    "user_id": SqlRun.user_id,
}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "LIKE": lambda a, b: a.like(b),
    "ILIKE": lambda a, b: sa.func.lower(a).like(str(b).lower()),
    "IN": lambda a, b: a.in_(b),
    "NOT IN": lambda a, b: a.not_in(b),
}
_TABLES: dict[str, Any] = {"metric": SqlLatestMetric, "parameter": SqlParam, "tag": SqlTag}


class DatabaseTable:
    """Runs of an SQLite, PostgreSQL or MySQL store."""

    def __init__(self, uri: str) -> None:
        connect(uri)  # creates or checks the tables
        self.engine = sa.create_engine(uri, pool_pre_ping=True)
        if self.engine.dialect.name == "sqlite":
            # LIKE distinguishes upper and lower case, as in MLflow
            sa.event.listen(
                self.engine,
                "connect",
                lambda connection, _: connection.execute("PRAGMA case_sensitive_like = true"),
            )

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        """
        Raises:
            TrackingError: the database has gone, or is no store any more.
        """
        try:
            with self.engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise refusal(error, str(self.engine.url)) from error

    def page(self, query: Query, offset: int = 0, limit: int = 50) -> Page:
        where = self._where(query)
        # The count comes with the rows: a search for a word reads every parameter of the store.
        ids = sa.select(SqlRun.run_uuid, sa.func.count().over()).where(*where)
        ordered = self._sort(ids, query).offset(offset).limit(limit)
        with self._connect() as connection:
            rows = list(connection.execute(ordered))
            if rows or not offset:
                total = rows[0][1] if rows else 0
            else:  # a page past the last one
                total = connection.execute(sa.select(sa.func.count()).where(*where)).scalar_one()
            return Page(rows=_load(connection, [row[0] for row in rows]), total=int(total))

    def load(self, run_ids: Sequence[str]) -> list[Run]:
        with self._connect() as connection:
            return _load(connection, run_ids)

    def artifact_uri(self, run_id: str) -> str | None:
        # A logged model of MLflow 3 is listed among the files of its run, but lies elsewhere
        models = sa.select(SqlModel.model_id).where(SqlModel.source_run_id == run_id)
        address = sa.select(SqlRun.artifact_uri).where(SqlRun.run_uuid == run_id, ~models.exists())
        with self._connect() as connection:
            return connection.execute(address).scalar()

    def names(self) -> Names:
        living = sa.select(SqlRun.experiment_id).where(SqlRun.lifecycle_stage == "active")
        experiments = sa.select(SqlExperiment.name).where(SqlExperiment.experiment_id.in_(living))
        with self._connect() as connection:
            return Names(
                experiments=sorted(connection.execute(experiments).scalars()),
                metrics=_keys(connection, SqlLatestMetric),
                params=_keys(connection, SqlParam),
                tags=[n for n in _keys(connection, SqlTag) if not n.startswith("mlflow.")],
            )

    def values(self, query: Query, names: Sequence[str]) -> Values:
        runs = sa.select(SqlRun.run_uuid).where(*self._where(query))
        with self._connect() as connection:
            # All rows in one call: a store of 10,000 runs has as many of each name
            values: Values = {run_id: {} for run_id in connection.execute(runs).scalars().all()}
            for name in names:
                for run_id, value in connection.execute(self._of_name(name)).all():
                    if run_id in values:
                        values[run_id][name] = value
        return values

    def _of_name(self, name: str) -> sa.Select[Any]:
        """Run id and value of every run that has this metric, parameter or tag."""
        if name == EXPERIMENT:
            return sa.select(SqlRun.run_uuid, SqlExperiment.name).join(
                SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id
            )
        table, _ = self._key(name)
        of_name = sa.select(table.run_uuid, table.value).where(table.key == name)
        return of_name.where(~table.is_nan) if table is SqlLatestMetric else of_name

    def explain(self, text: str) -> str:
        return as_text(resolve(parse(text), functools.cache(self.names)))

    def curves(self, run_ids: Sequence[str], metric: str) -> Curves:
        statement = sa.select(SqlMetric.run_uuid, SqlMetric.step, SqlMetric.value).where(
            SqlMetric.run_uuid.in_(run_ids), SqlMetric.key == metric, ~SqlMetric.is_nan
        )
        return self._points(statement)

    def history(self, run_id: str) -> Curves:
        statement = sa.select(SqlMetric.key, SqlMetric.step, SqlMetric.value).where(
            SqlMetric.run_uuid == run_id, ~SqlMetric.is_nan
        )
        return self._points(statement)

    def _points(self, statement: sa.Select[Any]) -> Curves:
        points: Curves = defaultdict(list)
        with self._connect() as connection:
            for name, step, value in connection.execute(statement):
                points[name].append((int(step), float(value)))
        return sort_points(points)

    def _where(self, query: Query) -> list[sa.ColumnElement[bool]]:
        stage = "deleted" if query.deleted else "active"
        where: list[sa.ColumnElement[bool]] = [SqlRun.lifecycle_stage == stage]
        if query.kinds:
            where.append(_has(SqlTag, "workbench.kind", SqlTag.value.in_(query.kinds)))
        if query.parent:
            where.append(_has(SqlTag, PARENT, SqlTag.value == query.parent))
        if query.archived is not None:
            archived = _has(SqlTag, ARCHIVED, sa.true())
            where.append(archived if query.archived else ~archived)
        if query.experiments:
            named = sa.select(SqlExperiment.experiment_id).where(
                SqlExperiment.name.in_(query.experiments)
            )
            where.append(SqlRun.experiment_id.in_(named))
        node = resolve(parse(query.text), functools.cache(self.names))
        return [*where, self._condition(node)]

    def _condition(self, node: Node) -> sa.ColumnElement[bool]:
        if isinstance(node, Word):
            return _contains(node.text, self.engine.dialect.name)
        if isinstance(node, Not):
            return sa.not_(self._condition(node.part))
        if isinstance(node, All):
            return sa.and_(sa.true(), *map(self._condition, node.parts))
        if isinstance(node, Some):
            return sa.or_(sa.false(), *map(self._condition, node.parts))
        if node.kind == "parameter" and isinstance(node.value, float):
            return self._compare_number(node.key, node.comparator, node.value)
        return _comparison(node)

    def _compare_number(self, key: str, comparator: str, value: float) -> sa.ColumnElement[bool]:
        """A parameter as a number. Read here: databases cast other texts differently."""
        statement = sa.select(SqlParam.value).where(SqlParam.key == key).distinct()
        with self._connect() as connection:
            texts = list(connection.execute(statement).scalars())
        texts = [text for text in texts if compare_number(comparator, text, value)]
        return _has(SqlParam, key, _one_of(SqlParam.value, texts, self.engine.dialect.name))

    def _sort(self, ids: sa.Select[Any], query: Query) -> sa.Select[Any]:
        def in_direction(column: Any) -> Any:
            return column.desc() if query.descending else column.asc()

        by_start = (SqlRun.start_time.desc(), SqlRun.run_uuid)
        if query.order in ATTRIBUTES:
            key = _ATTRIBUTES[ATTRIBUTES[query.order]]
        else:
            table, key = self._key(query.order)
            ids = ids.outerjoin(table, _of_run(table, query.order))
        return ids.order_by(key.is_(None), in_direction(key), *by_start)

    def _key(self, name: str) -> tuple[Any, Any]:
        """The table and the value of a name: a metric's, else a parameter's, else a tag's."""
        if self._has_key(SqlLatestMetric, name):
            return SqlLatestMetric, SqlLatestMetric.value
        if not self._has_key(SqlParam, name):
            return SqlTag, SqlTag.value
        number = sa.cast(SqlParam.value, sa.Float)
        return SqlParam, number if self._numeric(name) else SqlParam.value

    def _has_key(self, table: Any, name: str) -> bool:
        statement = sa.select(sa.literal(1)).where(table.key == name).limit(1)
        with self._connect() as connection:
            return connection.execute(statement).first() is not None

    def _numeric(self, name: str) -> bool:
        """Whether all values of a parameter are numbers. Databases cast other texts differently."""
        statement = sa.select(SqlParam.value).where(SqlParam.key == name).distinct()
        with self._connect() as connection:
            values = list(connection.execute(statement).scalars())
        return all(_is_number(value) for value in values)


def _load(connection: sa.Connection, run_ids: Sequence[str]) -> list[Run]:
    """Whole runs, in the order of their ids."""
    statement = (
        sa.select(
            SqlRun.run_uuid,
            SqlRun.name,
            SqlExperiment.name,
            SqlRun.status,
            SqlRun.start_time,
            SqlRun.end_time,
            SqlRun.lifecycle_stage,
        )
        .join(SqlExperiment, SqlExperiment.experiment_id == SqlRun.experiment_id)
        .where(SqlRun.run_uuid.in_(run_ids))
    )
    params = _by_run(connection, SqlParam, run_ids)
    metrics = _by_run(connection, SqlLatestMetric, run_ids)
    tags = _by_run(connection, SqlTag, run_ids)
    runs = {
        row[0]: Run(
            run_id=row[0],
            name=row[1] or "",
            experiment=row[2],
            status=row[3],
            start=None if row[4] is None else row[4] / 1000,
            end=None if row[5] is None else row[5] / 1000,
            deleted=row[6] == "deleted",
            params=params[row[0]],
            metrics=metrics[row[0]],
            tags=tags[row[0]],
        )
        for row in connection.execute(statement)
    }
    return [runs[run_id] for run_id in run_ids if run_id in runs]


def _by_run(
    connection: sa.Connection, table: Any, run_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    statement = sa.select(table.run_uuid, table.key, table.value).where(table.run_uuid.in_(run_ids))
    if table is SqlLatestMetric:
        statement = statement.where(~SqlLatestMetric.is_nan)
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    for run_id, key, value in connection.execute(statement):
        values[run_id][key] = value
    return values


def _keys(connection: sa.Connection, table: Any) -> list[str]:
    """The distinct keys of a table, sorted. From key to next key by the index of its primary key: a
    few steps, where DISTINCT reads every row."""
    keys = sa.select(sa.func.min(table.key).label("key")).cte("keys", recursive=True)
    after = sa.select(sa.func.min(table.key)).where(table.key > keys.c.key).scalar_subquery()
    keys = keys.union_all(sa.select(after).where(keys.c.key.is_not(None)))
    statement = sa.select(keys.c.key).where(keys.c.key.is_not(None))
    return sorted(connection.execute(statement).scalars())


def _of_run(table: Any, key: str) -> sa.ColumnElement[bool]:
    """The condition of a join to a run's one row of a key."""
    condition: sa.ColumnElement[bool] = (table.run_uuid == SqlRun.run_uuid) & (table.key == key)
    return condition & ~table.is_nan if table is SqlLatestMetric else condition


def _has(table: Any, key: str, condition: Any) -> sa.ColumnElement[bool]:
    keyed = sa.select(table.run_uuid).where(table.key == key, condition)
    has_row: sa.ColumnElement[bool] = SqlRun.run_uuid.in_(keyed)
    return has_row


def _one_of(column: Any, numbers: list[str], dialect: str) -> sa.ColumnElement[bool]:
    """Whether a column holds one of many texts that are numbers. Not a parameter each: ten thousand take
    SQLAlchemy seconds, and databases refuse more than some ten thousand."""
    if dialect == "sqlite":
        values = sa.func.json_each(json.dumps(numbers)).table_valued("value")
        in_json: sa.ColumnElement[bool] = column.in_(sa.select(values.c.value))
        return in_json
    # Within the statement, which is safe: numbers have no quotes
    in_statement: sa.ColumnElement[bool] = column.in_(
        sa.bindparam(None, numbers, expanding=True, literal_execute=True)
    )
    return in_statement


def _glob(word: str) -> str:
    """SQLite's pattern for texts with this word, in upper or lower case."""
    marks = {"*": "[*]", "?": "[?]", "[": "[[]"}
    cases = [(c.lower(), c.upper()) for c in word]
    letters = [
        f"[{low}{high}]" if low != high and len(low) == len(high) == 1 else marks.get(c, c)
        for c, (low, high) in zip(word, cases, strict=True)
    ]
    return f"*{''.join(letters)}*"


def _contains(word: str, dialect: str) -> sa.ColumnElement[bool]:
    """Runs with a word in the name, the experiment, a person's tag, the note or a parameter."""

    def has(column: Any) -> sa.ColumnElement[bool]:
        if dialect == "sqlite":  # half the time of lower(), which knows no umlauts there
            matched: sa.ColumnElement[bool] = column.op("GLOB", is_comparison=True)(_glob(word))
            return matched
        found: sa.ColumnElement[bool] = sa.func.lower(column).contains(
            word.lower(), autoescape=True
        )
        return found

    own = sa.not_(SqlTag.key.like("mlflow.%") | SqlTag.key.like("workbench.%"))
    in_tag = (own & (has(SqlTag.key) | has(SqlTag.value))) | (
        (SqlTag.key == NOTE) & has(SqlTag.value)
    )
    experiments = sa.select(SqlExperiment.experiment_id).where(has(SqlExperiment.name))
    return sa.or_(
        has(SqlRun.name),
        SqlRun.experiment_id.in_(experiments),
        SqlRun.run_uuid.in_(sa.select(SqlTag.run_uuid).where(in_tag)),
        SqlRun.run_uuid.in_(sa.select(SqlParam.run_uuid).where(has(SqlParam.value))),
    )


def _comparison(node: Compare) -> sa.ColumnElement[bool]:
    """One comparison of a filter."""
    if node.kind == "attribute":
        if node.key == "experiment":
            named = _COMPARE[node.comparator](SqlExperiment.name, node.value)
            chosen = sa.select(SqlExperiment.experiment_id).where(named)
            of_experiment: sa.ColumnElement[bool] = SqlRun.experiment_id.in_(chosen)
            return of_experiment
        compared: sa.ColumnElement[bool] = _COMPARE[node.comparator](
            _ATTRIBUTES[node.key], node.value
        )
        return compared
    table = _TABLES[node.kind]
    if node.comparator in ("IS NULL", "IS NOT NULL"):
        present = _has(table, node.key, sa.true())
        return present if node.comparator == "IS NOT NULL" else ~present
    condition = _COMPARE[node.comparator](table.value, node.value)
    return _has(table, node.key, condition & ~table.is_nan if node.kind == "metric" else condition)


def _is_number(text: str) -> bool:
    """Whether a database reads a text as a number. Python also reads others, such as 1_000."""
    return NUMBER.fullmatch(text) is not None
