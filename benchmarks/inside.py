"""How fast the UI is: feature maps, the epoch slider, and a table of ten thousand runs.

    python -m benchmarks.inside [--runs 10000]

Medians of several rounds, and the limits that the UI must meet. The store of the table is filled by SQL in
MLflow's layout; MLflow's own `search_runs` is timed on it as a peer.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
import torch
from mlflow import MlflowClient

from benchmarks import report
from nets import CNNConfig, Net, TensorSpec, build, fast_resnet, inside
from tracking.database import DatabaseTable
from tracking.query import Query
from workbench.ui.inside.images import png

NUM_METRICS = 20
NUM_PARAMS = 20
ROUNDS = 7
Row = tuple[str, float, float | None, str]


def time_median(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median seconds of a call, after one to warm up."""
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def draw_maps(net: Net, picture: torch.Tensor) -> int:
    """Draw the feature maps of all layers as PNG files; returns their bytes in all."""
    total = 0
    for maps in inside.feature_maps(net, picture).values():
        array = maps[0] if maps.ndim == 4 else maps[0][:, None, None]
        total += len(png(inside.montage(array, tile=40, opaque=False)))
    return total


def measure_nets() -> list[Row]:
    spec = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
    generator = torch.Generator().manual_seed(0)
    picture = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=generator)
    rows: list[Row] = []
    for name, config in (("CNN 32x32", CNNConfig()), ("fast ResNet 32x32", fast_resnet())):
        net = build(config, spec, 10).eval()
        rows.append(
            (
                f"{name}: maps of all layers, drawn",
                time_median(lambda n=net: draw_maps(n, picture)),
                1.0,
                "",
            )
        )  # type: ignore[misc]
    return rows


def measure_page_moves() -> list[Row]:
    """The whole page's script, which runs at each move of the epoch slider."""
    from streamlit.testing.v1 import AppTest

    import workbench.ui
    from tests.workbench.ui.fill import base, open_recorder, train

    with tempfile.TemporaryDirectory() as folder:
        recorder = open_recorder(Path(folder))
        run_id = train(recorder, base(**{"training.epochs": 8}), "slider")
        os.environ |= {"MLFLOW_TRACKING_URI": recorder.uri, "WORKBENCH_HOME": folder}
        app = AppTest.from_file(
            str(Path(workbench.ui.__file__).parent / "app.py"), default_timeout=60
        )
        app.query_params["run"] = run_id
        app.switch_page("views/cnn.py").run()
        first, again = [], []
        for times in (first, again):
            for epoch in range(8):
                slider = app.select_slider(key="epoch").set_value(epoch)
                start = time.perf_counter()
                slider.run()
                times.append(time.perf_counter() - start)
        assert not app.exception
    return [
        (
            "epoch slider, digits CNN: to an epoch not seen yet",
            statistics.median(first),
            0.3,
            "page script",
        ),
        (
            "epoch slider, digits CNN: to one seen before",
            statistics.median(again),
            0.3,
            "page script",
        ),
    ]


def fill_store(folder: Path, num_runs: int) -> str:
    """Make a store of `num_runs` runs by SQL, in MLflow's layout; returns its address."""
    uri = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(uri)
    experiments = [client.create_experiment(f"experiment {i}", folder.as_uri()) for i in range(5)]
    draw = random.Random(0)
    runs, latest, points, params, tags = [], [], [], [], []
    for i in range(num_runs):
        run_id = f"{i:032x}"
        start = 1_700_000_000_000 + 1000 * i
        run = {"run_uuid": run_id, "name": f"run {i}", "source_type": "LOCAL", "user_id": "u"}
        run |= {"status": "FINISHED", "lifecycle_stage": "active"}
        run |= {"start_time": start, "end_time": start + 900}
        run |= {"experiment_id": int(experiments[i % 5])}
        runs.append(run | {"artifact_uri": f"{folder.as_uri()}/{run_id}"})
        for m in range(NUM_METRICS):
            name = "validation/accuracy" if m == 0 else f"metric/{m:02d}"
            for step in range(1, 4):
                point = {"key": name, "value": draw.random(), "is_nan": False, "run_uuid": run_id}
                points.append(point | {"timestamp": start + step, "step": step})
            latest.append(points[-1])
        params += [
            {"key": f"p.{j:02d}", "value": str(draw.randint(0, 9)), "run_uuid": run_id}
            for j in range(NUM_PARAMS)
        ]
        tags.append({"key": "workbench.kind", "value": "train", "run_uuid": run_id})
    engine = sa.create_engine(uri)
    meta = sa.MetaData()
    meta.reflect(engine, only=["runs", "latest_metrics", "metrics", "params", "tags"])
    with engine.begin() as connection:
        tables = {"runs": runs, "latest_metrics": latest, "metrics": points}
        for name, rows in (tables | {"params": params, "tags": tags}).items():
            connection.execute(meta.tables[name].insert(), rows)
    engine.dispose()
    return uri


def measure_table(num_runs: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        uri = fill_store(Path(folder), num_runs)
        runs = DatabaseTable(uri)
        client = MlflowClient(uri)
        ids = [e.experiment_id for e in client.search_experiments()]
        text = "metrics.`metric/07` > 0.9 and params.`p.03` = '4'"
        cases: list[tuple[str, Query, int, float]] = [
            ("50 latest", Query(), 0, 1.0),
            ("50 by a metric", Query(order="validation/accuracy"), 0, 1.0),
            ("50 by a metric, page 100", Query(order="validation/accuracy"), 4950, 1.0),
            ("50 by a parameter", Query(order="p.05"), 0, 1.0),
            ("filter on metric and parameter", Query(text=text), 0, 0.5),
            ("filter, and by a metric", Query(text=text, order="metric/03"), 0, 1.0),
        ]
        rows: list[Row] = [
            (
                f"{num_runs:,} runs: {name}",
                time_median(lambda q=query, o=offset: runs.page(q, o, 50)),
                limit,
                "with total",
            )  # type: ignore[misc]
            for name, query, offset, limit in cases
        ]
        latest = [run.run_id for run in runs.page(Query(), 0, 50).rows]
        rows += [
            (
                f"{num_runs:,} runs: names to choose from",
                time_median(runs.names),
                None,
                "cached 30 s",
            ),
            (
                f"{num_runs:,} runs: 50 sparklines",
                time_median(lambda: runs.curves(latest, "validation/accuracy")),
                None,
                "",
            ),
        ]
        for name, order in (
            ("50 latest", "attributes.start_time DESC"),
            ("50 by a metric", "metrics.`validation/accuracy` DESC"),
        ):
            seconds = time_median(
                lambda o=order: client.search_runs(ids, max_results=50, order_by=[o]), 1
            )  # type: ignore[misc]
            rows.append(
                (f"{num_runs:,} runs, MLflow search_runs: {name}", seconds, None, "peer, no total")
            )
        rows.append(_measure_first_page(uri, num_runs))
        return rows


def _measure_first_page(uri: str, num_runs: int) -> Row:
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    import workbench.ui

    os.environ["MLFLOW_TRACKING_URI"] = uri
    path = str(Path(workbench.ui.__file__).parent / "app.py")

    def open_page() -> None:
        st.cache_data.clear()
        app = AppTest.from_file(path, default_timeout=60)
        app.query_params["sort"] = "validation/accuracy"
        app.run()
        assert not app.exception and len(app.dataframe[0].value) == 50

    return (
        f"{num_runs:,} runs: Runs page sorted by a metric, nothing cached",
        time_median(open_page, 3),
        1.0,
        "page script",
    )


def main() -> None:
    parser = report.make_parser(__doc__, rounds=ROUNDS)
    parser.add_argument("--runs", type=int, default=10_000, help="runs in the table's store")
    options = parser.parse_args()
    results = report.Report("inside", "The UI's waits", options)
    for what, seconds, limit, note in (
        measure_nets() + measure_page_moves() + measure_table(options.runs)
    ):
        results.add(what, "workbench", seconds, limit=limit, note=note)
    results.finish()


if __name__ == "__main__":
    main()
