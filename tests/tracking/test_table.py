"""One contract for the table of runs, by SQL and through MLflow's API."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from tracking.database import DatabaseTable
from tracking.errors import QueryError
from tracking.query import Query, Table
from tracking.served import ServedTable

RUNS: dict[str, tuple[str, dict[str, list[float]], dict[str, str], dict[str, str]]] = {
    # name: experiment, metric to values by step, parameters, tags
    "a": (
        "one",
        {"acc": [0.1, 0.9], "loss": [2.0]},
        {"net.act": "relu", "lr": "0.01"},
        {"workbench.kind": "train"},
    ),
    "b": (
        "one",
        {"acc": [0.5, 0.7]},
        {"net.act": "tanh", "lr": "0.1"},
        {"workbench.kind": "train"},
    ),
    "c": (
        "two",
        {"acc": [math.nan]},
        {"net.act": "Relu", "lr": "9e-4"},
        {"workbench.kind": "sweep"},
    ),
    "d": (
        "two",
        {},
        {"odd": "1_000", "marks": "Öl [a*]?"},
        {"workbench.kind": "trial", "note": "50% off_"},
    ),
    "e": ("two", {"acc": [0.8]}, {"net.act": "elu", "lr": "1.0", "odd": "2"}, {}),
}


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.long])],
)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, str]]:
    folder = tmp_path_factory.mktemp("store")
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("empty_store"), folder / "mlflow.db")
        uri = f"sqlite:///{folder}/mlflow.db"
    else:
        uri = request.getfixturevalue("postgres").store("table")
    client = MlflowClient(uri)
    ids: dict[str, str] = {}
    experiments = {
        name: client.create_experiment(name, (folder / "artifacts").as_uri())
        for name in ("one", "two")
    }
    for index, (name, (experiment, metrics, params, tags)) in enumerate(RUNS.items()):
        run = client.create_run(
            experiments[experiment], start_time=1000 * (index + 1), run_name=name
        )
        ids[name] = run.info.run_id
        client.log_batch(
            run.info.run_id,
            [
                Metric(key, value, index, step)
                for key, values in metrics.items()
                for step, value in enumerate(values)
            ],
            [Param(key, value) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
        )
        client.set_terminated(run.info.run_id, end_time=1000 * (index + 1) + 500)
    client.set_tag(ids["d"], "mlflow.parentRunId", ids["c"])
    return uri, ids


@pytest.fixture(params=[DatabaseTable, ServedTable], ids=["database", "served"])
def table(request: pytest.FixtureRequest, store: tuple[str, dict[str, str]]) -> Table:
    made: Table = request.param(store[0])
    return made


def names(table: Table, query: Query, offset: int = 0, limit: int = 50) -> str:
    return "".join(run.name for run in table.page(query, offset, limit).rows)


def test_newest_first_a_page_at_a_time(table: Table) -> None:
    assert names(table, Query()) == "edcba"
    assert names(table, Query(descending=False)) == "abcde"
    assert names(table, Query(), 0, 2) == "ed" and names(table, Query(), 2, 2) == "cb"
    assert names(table, Query(), 9, 2) == ""
    assert table.page(Query(), 0, 50).total == 5


def test_a_row_is_the_whole_run(table: Table, store: tuple[str, dict[str, str]]) -> None:
    (run,) = table.page(Query(text="run_name = 'a'")).rows
    assert (run.run_id, run.name, run.experiment, run.status) == (
        store[1]["a"],
        "a",
        "one",
        "FINISHED",
    )
    assert (run.start, run.end) == (1.0, 1.5)
    assert run.metrics == {"acc": 0.9, "loss": 2.0} and run.kind == "train"
    assert run.params == {"net.act": "relu", "lr": "0.01"} and not run.deleted


def test_runs_by_their_ids(table: Table, store: tuple[str, dict[str, str]]) -> None:
    ids = store[1]
    rows = {run.run_id: run for run in table.page(Query()).rows}
    assert table.load([ids["c"], "0" * 32, ids["a"]]) == [rows[ids["c"]], rows[ids["a"]]]


def test_values_of_every_run_that_a_query_finds(
    table: Table, store: tuple[str, dict[str, str]]
) -> None:
    ids = store[1]
    values = table.values(Query(experiments=("one",)), ["experiment", "acc", "net.act", "absent"])
    assert values.keys() == {ids["a"], ids["b"]}
    assert values[ids["a"]] == {"experiment": "one", "acc": 0.9, "net.act": "relu"}
    assert table.values(Query(text="run_name = 'a'"), ["lr"]) == {ids["a"]: {"lr": "0.01"}}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(order="acc"), "aebdc"),
        (Query(order="acc", descending=False), "beadc"),
        (Query(order="net.act", descending=False), "ceabd"),
        (Query(order="odd"), "edcba"),  # a number for Python and a text for databases
        (Query(order="name", descending=False), "abcde"),
        (Query(order="end"), "edcba"),
        (Query(order="note", experiments=("two",)), "dec"),
        (Query(kinds=("train",)), "ba"),
        (Query(kinds=("sweep", "trial")), "dc"),
        (Query(experiments=("one",)), "ba"),
        (Query(experiments=("one", "two")), "edcba"),
        (Query(experiments=("none",)), ""),
        (Query(text="metrics.acc > 0.7"), "ea"),
        (Query(text="metrics.acc >= 0.7 and metrics.acc < 0.9"), "eb"),
        (Query(text="metrics.acc != 0.9 and metrics.acc > 0"), "eb"),
        (Query(text="params.`net.act` = 'relu'"), "a"),
        (Query(text="params.`net.act` != 'relu'"), "ecb"),
        (Query(text="params.`net.act` LIKE 'r%'"), "a"),
        (Query(text="params.`net.act` ILIKE 'r%'"), "ca"),
        (Query(text="tags.note LIKE '50%'"), "d"),
        (Query(text="attributes.start_time > 3000"), "ed"),
        (Query(text="run_name LIKE '%e'"), "e"),
        (Query(text="params.lr = '0.1' and metrics.acc > 0", kinds=("train",)), "b"),
        (Query(deleted=True), ""),
        (Query(text="relu"), "ca"),
        (Query(text="'1_0'"), "d"),
        (Query(text="two tanh or 50%"), "d"),
        (Query(text="one tanh"), "b"),
        (Query(text="'l [A*]?'"), "d"),
        (Query(text="'a*f'"), ""),
        (Query(text="'of?_'"), ""),
        (Query(text="acc > 0.7"), "ea"),
        (Query(text="acc>0.7 or lr<1e-3"), "eca"),
        (Query(text="params.lr > 0.05"), "eb"),
        (Query(text="lr = 1"), "e"),
        (Query(text="lr = 1e-1 or lr = '1.0'"), "eb"),
        (Query(text="odd > 1"), "e"),  # 1_000 is no number
        (Query(text="act = relu"), "a"),
        (Query(text="act in ('relu', 'elu') and not name = a"), "e"),
        (Query(text="not (act ILIKE 'r%') not kind IS NULL"), "db"),
        (Query(text="finished experiment = two"), "edc"),
        (Query(text="status = 'Finished' and name != 'e'"), "dcba"),
        (Query(text="failed or stopped or running"), ""),
        (Query(text="finished", kinds=("train",)), "ba"),
    ],
)
def test_order_and_filters(table: Table, query: Query, found: str) -> None:
    listed = names(table, query)
    if query.order == "acc":  # those without a value come last, in any order
        assert listed[:3] == found[:3] and sorted(listed) == sorted(found)
    else:
        assert listed == found


def test_parameters_that_are_numbers_sort_as_numbers(store: tuple[str, dict[str, str]]) -> None:
    assert names(DatabaseTable(store[0]), Query(order="lr", descending=False)) == "cabed"


def test_numbers_are_found_with_few_bound_values(
    store: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    if not store[0].startswith("sqlite"):
        pytest.skip("filled by SQLite's own interface")
    file = tmp_path / "mlflow.db"
    original = sqlite3.connect(store[0].removeprefix("sqlite:///"))
    with closing(original), closing(sqlite3.connect(file)) as database:
        original.backup(database)  # with what is in the write-ahead log
        rows = [("lr", f"{number}e-3", f"{number:032x}") for number in range(900)]
        database.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", rows)
        database.commit()
    table, bound = DatabaseTable(f"sqlite:///{file}"), []
    sa.event.listen(
        table.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, _statement, values, *_: bound.append(len(values)),
    )
    assert names(table, Query(text="lr > 0.05")) == "eb"
    assert 0 < max(bound) < 20
    assert names(table, Query(text="ÖL")) == "d", "SQLite's lower() knows ASCII alone"


def test_the_trials_of_a_sweep(table: Table, store: tuple[str, dict[str, str]]) -> None:
    assert names(table, Query(parent=store[1]["c"])) == "d"


def test_deleted_runs_are_a_table_of_their_own(
    table: Table, store: tuple[str, dict[str, str]]
) -> None:
    client = MlflowClient(store[0])
    client.delete_run(store[1]["b"])
    try:
        assert names(table, Query()) == "edca" and names(table, Query(deleted=True)) == "b"
        assert table.page(Query(deleted=True)).rows[0].deleted
    finally:
        client.restore_run(store[1]["b"])


@pytest.mark.parametrize(
    "text",
    [
        "acc >",
        "metrics.acc > 'x'",
        "params.lr > 'x'",
        "acc > high",
        "nonsense.x = 1",
        "status = 'done'",
        "(acc > 1",
        "acc > 1)",
        "or acc > 1",
        "attributes.colour = 'red'",
        "metrics.acc",
        "'; drop table runs; --",
    ],
)
def test_a_filter_that_means_nothing_is_refused(table: Table, text: str) -> None:
    with pytest.raises(QueryError, match="does not understand"):
        table.page(Query(text=text))


def test_a_refusal_names_what_is_near(table: Table) -> None:
    with pytest.raises(QueryError, match=r"'los'\. Did you mean loss"):
        table.page(Query(text="los > 1"))
    with pytest.raises(QueryError, match="'done' is no status; there are running"):
        table.page(Query(text="status = 'done'"))


def test_a_filter_is_explained_with_whole_names(table: Table) -> None:
    said = table.explain("act = relu acc > 0.5 or lr < 1e-3")
    assert said == "(params.`net.act` = 'relu' and metrics.`acc` > 0.5) or params.`lr` < 0.001"
    assert table.explain("created >= 1764201234567") == "attributes.start_time >= 1764201234567"


def test_names_to_choose_from(table: Table) -> None:
    found = table.names()
    assert found.experiments == ["one", "two"]
    assert found.metrics == ["acc", "loss"] and found.params == ["lr", "marks", "net.act", "odd"]


def test_curves(table: Table, store: tuple[str, dict[str, str]]) -> None:
    ids = store[1]
    assert table.curves([ids["a"], ids["b"], ids["c"], ids["d"]], "acc") == {
        ids["a"]: [(0, 0.1), (1, 0.9)],
        ids["b"]: [(0, 0.5), (1, 0.7)],
    }
    assert table.history(ids["a"]) == {"acc": [(0, 0.1), (1, 0.9)], "loss": [(0, 2.0)]}


def test_an_address_that_is_no_store(tmp_path: Path) -> None:
    from tracking.errors import TrackingError

    (tmp_path / "file.db").write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(TrackingError, match=r"file\.db cannot be"):
        DatabaseTable(f"sqlite:///{tmp_path}/file.db")
