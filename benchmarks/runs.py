"""The table of runs beside MLflow's own search, on an SQLite store of ten thousand runs.

    python -m benchmarks.runs [--runs 10000] [--metrics 20] [--steps 10]

The store is filled by SQL in MLflow's layout. Times are medians after a first call. The first page is
measured in a new process, as when the program has just been opened.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from mlflow.entities import ViewType

from benchmarks import report
from tracking import open_table
from tracking.query import Query, Table
from tracking.store import connect

FIRST_STEP = 1_700_000_000_000
ACTIVATIONS = ("relu", "tanh", "elu", "gelu")
METRIC = "validation/accuracy"
PAGE = 50
ROUNDS = 5
LONG_RUNS, LONG_STEPS = 50, 10_000
RUN_COLUMNS = (
    *("run_uuid", "name", "source_type", "user_id", "status", "start_time", "end_time"),
    *("lifecycle_stage", "artifact_uri", "experiment_id"),
)


def time_median(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median seconds of a call, after one to warm up."""
    call()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def fill(folder: Path, num_runs: int, num_metrics: int, num_steps: int) -> str:
    """Make a store of sweeps of 50 trials in five experiments; returns its address."""
    uri = f"sqlite:///{folder}/mlflow.db"
    client = connect(uri)
    experiments = [client.create_experiment(f"experiment {i}", folder.as_uri()) for i in range(5)]
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("PRAGMA synchronous = OFF")
        values = "key, value, timestamp, step, is_nan, run_uuid"
        steps, last = range(1, num_steps + 1), range(num_steps, num_steps + 1)
        for table, rows in (
            (f"runs ({', '.join(RUN_COLUMNS)})", runs(num_runs, experiments)),
            ("params (key, value, run_uuid)", params(num_runs)),
            ("tags (key, value, run_uuid)", tags(num_runs)),
            (f"metrics ({values})", metrics(num_runs, num_metrics, steps)),
            (f"latest_metrics ({values})", metrics(num_runs, num_metrics, last)),
            (f"metrics ({values})", long_curves(min(LONG_RUNS, num_runs))),
        ):
            marks = ", ".join("?" * (table.count(",") + 1))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        database.commit()
    return uri


def make_run_id(run: int) -> str:
    return f"{run:032x}"


def runs(count: int, experiments: list[str]) -> Iterator[tuple[object, ...]]:
    for i in range(count):
        start = FIRST_STEP + 1000 * i
        status = "FAILED" if i % 40 == 0 else "FINISHED"
        run = (make_run_id(i), f"trial-{i % PAGE:03d}", "LOCAL", "me", status, start, start + 900)
        yield (*run, "active", "", int(experiments[i // PAGE % 5]))


def params(count: int) -> Iterator[tuple[object, ...]]:
    draw = random.Random(0)
    for i in range(count):
        yield "net.activation", draw.choice(ACTIVATIONS), make_run_id(i)
        yield "training.learning_rate", str(10 ** draw.uniform(-4, -1)), make_run_id(i)
        for p in range(48):  # a flattened experiment has about fifty
            yield f"part.setting_{p}", str(p), make_run_id(i)


def tags(count: int) -> Iterator[tuple[object, ...]]:
    for i in range(count):
        sweep = make_run_id(i - i % PAGE)
        yield "workbench.kind", "sweep" if i % PAGE == 0 else "trial", make_run_id(i)
        yield "mlflow.runName", f"trial-{i % PAGE:03d}", make_run_id(i)
        if i % PAGE:
            yield "mlflow.parentRunId", sweep, make_run_id(i)


def metrics(count: int, num: int, steps: range) -> Iterator[tuple[object, ...]]:
    names = [METRIC, f"best/{METRIC}", *(f"health/layer{m}/dead" for m in range(num - 2))]
    for i in range(count):
        draw = random.Random(i)
        for name in names:
            level = draw.random()
            for step in steps:
                yield (
                    name,
                    level + step / 1000,
                    FIRST_STEP + 1000 * i + step,
                    step,
                    0,
                    make_run_id(i),
                )


def long_curves(count: int) -> Iterator[tuple[object, ...]]:
    for i in range(count):
        for step in range(LONG_STEPS):
            yield "train/loss", 1 / (step + 1), FIRST_STEP + step, step, 0, make_run_id(i)


def time_first_page(uri: str) -> float:
    """Seconds to the first table in a new process, without those for loading Python and MLflow."""
    script = (
        "import time, mlflow, sqlalchemy; from mlflow.store.tracking import sqlalchemy_store;"
        "from tracking import open_table; from tracking.query import Query; t = time.perf_counter();"
        f"assert len(open_table({uri!r}).page(Query(), 0, {PAGE}).rows) == {PAGE};"
        "print(time.perf_counter() - t)"
    )
    reply = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return float(reply.stdout)


def make_cases() -> list[tuple[str, Query, int, float]]:
    """Name, query, number of rows, and limit in seconds of each case."""
    good = f"metrics.`{METRIC}` > 0.9"
    relu = "params.`net.activation` = 'relu'"
    return [
        (f"{PAGE} latest", Query(), PAGE, 1.0),
        (f"{PAGE} by a metric", Query(order=METRIC), PAGE, 1.0),
        (f"{PAGE} by a parameter", Query(order="training.learning_rate"), PAGE, 1.0),
        (f"{PAGE} with a metric > 0.9", Query(text=good), PAGE, 0.5),
        (f"{PAGE} with a parameter", Query(text=relu), PAGE, 0.5),
        (f"{PAGE} with both, by a metric", Query(text=f"{good} and {relu}", order=METRIC), PAGE, 1),
        ("the 49 trials of a sweep", Query(parent=make_run_id(PAGE)), PAGE, 0.5),
        ("1,000 latest", Query(), 1000, 1.0),
    ]


def make_mlflow_search(client: Any, query: Query, limit: int) -> Callable[[], object]:
    """The same query through `search_runs`, which does not return the total number."""
    ids = [e.experiment_id for e in client.search_experiments()]
    keys = {"start": "attributes.start_time", METRIC: f"metrics.`{METRIC}`"}
    order = keys.get(query.order, f"params.`{query.order}`")
    text = query.text or (f"tags.mlflow.parentRunId = '{query.parent}'" if query.parent else "")
    return lambda: client.search_runs(
        ids, text, ViewType.ACTIVE_ONLY, max_results=limit, order_by=[f"{order} DESC"]
    )


def measure_extras(results: report.Report, table: Table) -> None:
    """What the pages read beside rows."""
    ids = [make_run_id(i) for i in range(LONG_RUNS)]
    results.add(f"{PAGE} sparklines", "workbench", time_median(lambda: table.curves(ids, METRIC)))
    results.add("names to choose from", "workbench", time_median(table.names))
    long = time_median(lambda: table.curves(ids, "train/loss"), 3)
    results.add(f"{LONG_RUNS} curves of {LONG_STEPS:,} steps", "workbench", long, limit=2)


def main() -> None:
    parser = report.make_parser(__doc__, rounds=ROUNDS)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=20, help="per run")
    parser.add_argument("--steps", type=int, default=10, help="of each metric")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        uri = fill(Path(folder), options.runs, options.metrics, options.steps)
        size = (Path(folder) / "mlflow.db").stat().st_size
        what = f"{options.runs:,} runs x {options.metrics} metrics x {options.steps} steps"
        results = report.Report("runs", f"The table of runs: {what}", options)
        filled = time.perf_counter() - began
        results.add("the store", "filled by SQL", filled, note=f"{size / 2**20:,.0f} MiB")
        first = time_first_page(uri)
        results.add("first page, new process", "workbench", first, limit=1, note="less imports")
        table, client = open_table(uri), connect(uri)
        for what, query, limit, most in make_cases():
            ours = time_median(lambda q=query, n=limit: table.page(q, 0, n), options.rounds)  # type: ignore[misc]
            results.add(what, "workbench", ours, limit=most)
            results.add(
                what, "MLflow search_runs", time_median(make_mlflow_search(client, query, limit), 1)
            )
        measure_extras(results, table)
        results.finish()


if __name__ == "__main__":
    main()
