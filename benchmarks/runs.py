"""The table of runs beside MLflow's own search, on an SQLite store of ten thousand runs.

    python -m benchmarks.runs [--runs 10000] [--metrics 20] [--steps 10]

The store is filled by SQL in the layout MLflow writes. Times are medians after a first call; the
first page has a process of its own, as a person who has just opened the program waits for it.
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


def median_s(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median seconds of a call, after one to warm up."""
    call()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def fill(folder: Path, num_runs: int, num_metrics: int, num_steps: int) -> str:
    """A store in a folder; its address. Sweeps of 50 trials, in five experiments."""
    uri = f"sqlite:///{folder}/mlflow.db"
    client = connect(uri)
    experiments = [client.create_experiment(f"experiment {i}", folder.as_uri()) for i in range(5)]
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("PRAGMA synchronous = OFF")
        for table, rows in (
            ("runs (run_uuid, name, source_type, user_id, status, start_time, end_time,"
             " lifecycle_stage, artifact_uri, experiment_id)", runs(num_runs, experiments)),
            ("params (key, value, run_uuid)", params(num_runs)),
            ("tags (key, value, run_uuid)", tags(num_runs)),
            ("metrics (key, value, timestamp, step, is_nan, run_uuid)",
             metrics(num_runs, num_metrics, range(1, num_steps + 1))),
            ("latest_metrics (key, value, timestamp, step, is_nan, run_uuid)",
             metrics(num_runs, num_metrics, range(num_steps, num_steps + 1))),
            ("metrics (key, value, timestamp, step, is_nan, run_uuid)",
             long_curves(min(LONG_RUNS, num_runs))),
        ):  # fmt: skip
            marks = ", ".join("?" * (table.count(",") + 1))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        database.commit()
    return uri


def name_of(run: int) -> str:
    return f"{run:032x}"


def runs(count: int, experiments: list[str]) -> Iterator[tuple[object, ...]]:
    for i in range(count):
        start = FIRST_STEP + 1000 * i
        status = "FAILED" if i % 40 == 0 else "FINISHED"
        yield (name_of(i), f"trial-{i % PAGE:03d}", "LOCAL", "me", status, start, start + 900,
               "active", "", int(experiments[i // PAGE % 5]))  # fmt: skip


def params(count: int) -> Iterator[tuple[object, ...]]:
    draw = random.Random(0)
    for i in range(count):
        yield "net.activation", draw.choice(ACTIVATIONS), name_of(i)
        yield "training.learning_rate", str(10 ** draw.uniform(-4, -1)), name_of(i)
        for p in range(48):  # a flattened experiment has about fifty
            yield f"part.setting_{p}", str(p), name_of(i)


def tags(count: int) -> Iterator[tuple[object, ...]]:
    for i in range(count):
        sweep = name_of(i - i % PAGE)
        yield "workbench.kind", "sweep" if i % PAGE == 0 else "trial", name_of(i)
        yield "mlflow.runName", f"trial-{i % PAGE:03d}", name_of(i)
        if i % PAGE:
            yield "mlflow.parentRunId", sweep, name_of(i)


def metrics(count: int, num: int, steps: range) -> Iterator[tuple[object, ...]]:
    names = [METRIC, f"best/{METRIC}", *(f"health/layer{m}/dead" for m in range(num - 2))]
    for i in range(count):
        draw = random.Random(i)
        for name in names:
            level = draw.random()
            for step in steps:
                yield name, level + step / 1000, FIRST_STEP + 1000 * i + step, step, 0, name_of(i)


def long_curves(count: int) -> Iterator[tuple[object, ...]]:
    for i in range(count):
        for step in range(LONG_STEPS):
            yield "train/loss", 1 / (step + 1), FIRST_STEP + step, step, 0, name_of(i)


def first_page_s(uri: str) -> float:
    """Seconds from nothing loaded to the first table, less those Python and MLflow take to load."""
    script = (
        "import time, mlflow, sqlalchemy; from mlflow.store.tracking import sqlalchemy_store;"
        "from tracking import open_table; from tracking.query import Query; t = time.perf_counter();"
        f"assert len(open_table({uri!r}).page(Query(), 0, {PAGE}).rows) == {PAGE};"
        "print(time.perf_counter() - t)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def cases() -> list[tuple[str, Query, int, float]]:
    """What is asked: words, the query, rows, the limit in seconds."""
    good = f"metrics.`{METRIC}` > 0.9"
    relu = "params.`net.activation` = 'relu'"
    return [
        (f"{PAGE} latest", Query(), PAGE, 1.0),
        (f"{PAGE} by a metric", Query(order=METRIC), PAGE, 1.0),
        (f"{PAGE} by a parameter", Query(order="training.learning_rate"), PAGE, 1.0),
        (f"{PAGE} with a metric > 0.9", Query(text=good), PAGE, 0.5),
        (f"{PAGE} with a parameter", Query(text=relu), PAGE, 0.5),
        (f"{PAGE} with both, by a metric", Query(text=f"{good} and {relu}", order=METRIC), PAGE, 1),
        ("the 49 trials of a sweep", Query(parent=name_of(PAGE)), PAGE, 0.5),
        ("1,000 latest", Query(), 1000, 1.0),
    ]


def by_mlflow(client: Any, query: Query, limit: int) -> Callable[[], object]:
    """The same question through `search_runs`, which does not say how many there are in all."""
    ids = [e.experiment_id for e in client.search_experiments()]
    keys = {"start": "attributes.start_time", METRIC: f"metrics.`{METRIC}`"}
    order = keys.get(query.order, f"params.`{query.order}`")
    text = query.text or (f"tags.mlflow.parentRunId = '{query.parent}'" if query.parent else "")
    return lambda: client.search_runs(
        ids, text, ViewType.ACTIVE_ONLY, max_results=limit, order_by=[f"{order} DESC"]
    )


def extras(found: report.Report, table: Table) -> None:
    """What the pages ask beside rows."""
    ids = [name_of(i) for i in range(LONG_RUNS)]
    found.add(f"{PAGE} sparklines", "workbench", median_s(lambda: table.curves(ids, METRIC)))
    found.add("names to choose from", "workbench", median_s(table.names))
    long = median_s(lambda: table.curves(ids, "train/loss"), 3)
    found.add(f"{LONG_RUNS} curves of {LONG_STEPS:,} steps", "workbench", long, limit=2)


def main() -> None:
    parser = report.parser(__doc__, rounds=ROUNDS)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=20, help="per run")
    parser.add_argument("--steps", type=int, default=10, help="of each metric")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        uri = fill(Path(folder), options.runs, options.metrics, options.steps)
        size = (Path(folder) / "mlflow.db").stat().st_size
        what = f"{options.runs:,} runs x {options.metrics} metrics x {options.steps} steps"
        found = report.Report("runs", f"The table of runs: {what}", options)
        filled = time.perf_counter() - began
        found.add("the store", "filled by SQL", filled, note=f"{size / 2**20:,.0f} MiB")
        first = first_page_s(uri)
        found.add("first page, new process", "workbench", first, limit=1, note="less imports")
        table, client = open_table(uri), connect(uri)
        for what, query, limit, most in cases():
            ours = median_s(lambda q=query, n=limit: table.page(q, 0, n), options.rounds)  # type: ignore[misc]
            found.add(what, "workbench", ours, limit=most)
            found.add(what, "MLflow search_runs", median_s(by_mlflow(client, query, limit), 1))
        extras(found, table)
        found.finish()


if __name__ == "__main__":
    main()
