"""MLflow on a real PostgreSQL: many writers at once, and a database that dies under them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracking.postgres import Postgres
from tests.tracking.served import Server
from tests.tracking.writer import METRICS, value
from tracking import MlflowRecorder, Reader, open_table
from tracking.query import Query

pytestmark = [pytest.mark.slow, pytest.mark.long]

WRITERS, RUNS, STEPS = 3, 4, 60


@pytest.fixture(scope="module")
def server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`mlflow server` of several processes, its runs in PostgreSQL."""
    made = Server(tmp_path_factory.mktemp("server"), postgres.store("served"), workers=2)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def written(server: Server, postgres: Postgres) -> dict[str, str]:
    """Databases that several processes wrote to at the same time, by the address they used."""
    databases = {server.uri: "served", postgres.store("direct"): "direct"}
    command = [sys.executable, "-m", "tests.tracking.writer", str(RUNS), str(STEPS), *databases]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    root = Path(__file__).parents[2]
    started = [subprocess.Popen(command, **pipes, text=True, cwd=root) for _ in range(WRITERS)]
    for process in started:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for number, process in enumerate(started):
        assert process.stdin
        process.stdin.write(f"writer{number}\n")
        process.stdin.flush()
    for process in started:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    return databases


@pytest.mark.parametrize("name", ["served", "direct"])
def test_every_run_metric_and_step_is_there_once(
    name: str, written: dict[str, str], postgres: Postgres
) -> None:
    runs = postgres.ask("SELECT run_uuid, name, status FROM runs ORDER BY name", name=name)
    expected = [f"writer{w}-{r}" for w in range(WRITERS) for r in range(1, RUNS + 1)]
    assert [(run, status) for _, run, status in runs] == [(run, "FINISHED") for run in expected]
    found = postgres.ask(
        "SELECT run_uuid, key, step, value FROM metrics WHERE key = ANY(%s) "
        "ORDER BY timestamp, step",
        list(METRICS),
        name=name,
    )
    points: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for run_id, key, step, stored in found:
        points[run_id, key].append((step, stored))
    # In the order of their times, which is that of the steps, and none twice.
    assert points == {
        (run_id, key): [
            (step, value(int(run.rpartition("-")[2]), key, step)) for step in range(1, STEPS + 1)
        ]
        for run_id, run, _ in runs
        for key in METRICS
    }
    latest = "SELECT DISTINCT step FROM latest_metrics WHERE key = ANY(%s)"
    assert postgres.ask(latest, list(METRICS), name=name) == [(STEPS,)]
    assert len(postgres.ask("SELECT 1 FROM experiments WHERE name = 'many'", name=name)) == 1


def test_the_table_of_runs_sorts_and_filters(written: dict[str, str]) -> None:
    for uri in written:
        table = open_table(uri)
        page = table.page(Query(order="validation/loss", text="metrics.`validation/loss` > 2000"))
        assert [run.params["run"] for run in page.rows] == [
            str(run) for run in range(RUNS, 1, -1) for _ in range(WRITERS)
        ]
        assert page.total == WRITERS * (RUNS - 1)
        assert table.page(Query(text="params.writer = 'writer1'"), 0, 2).total == RUNS
        curve = table.curves([page.rows[0].run_id], "validation/loss")
        assert len(curve[page.rows[0].run_id]) == STEPS


def test_a_database_that_dies_and_comes_back(postgres: Postgres) -> None:
    """What was recorded meanwhile waits, and is stored in order, each value once."""
    recorder = MlflowRecorder(postgres.store("killed"), interval_s=0.01)
    run_id = recorder.start("one", "run", params={}, tags={})
    recorder.metrics(run_id, {"x": 1.0}, 1)
    recorder.flush()
    postgres.kill()
    for step in range(2, 100):
        recorder.metrics(run_id, {"x": float(step)}, step)
    back = threading.Thread(target=postgres.start)
    back.start()
    recorder.finish(run_id)  # waits for it
    back.join()
    recorder.close()
    stored = recorder.client.get_metric_history(run_id, "x")
    assert [(p.step, p.value) for p in stored] == [(s, float(s)) for s in range(1, 100)]
    assert Reader(recorder.uri).run(run_id).status == "FINISHED"
