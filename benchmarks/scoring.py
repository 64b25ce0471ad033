"""Scoring in Spark beside `mlflow.pyfunc.spark_udf`, `predict_batch_udf` and the bare net.

    python -m benchmarks.scoring                 pictures of 3x32x32
    python -m benchmarks.scoring --rows 40000 --cores 4

- workbench: rows of bytes from Spark's cache through `workbench.scoring.score`; all results are computed
  and dropped (`noop`).
- spark_udf: the same rows through the MLflow model of the same net.
- predict_batch_udf: PySpark's own, with the same net, on a quarter of the rows as arrays of floats (its
  input); it returns logits only.
- bare: the net over one array in memory, batch by batch, with as many threads as cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import nets
from benchmarks import report
from workbench.cluster import find_java
from workbench.scoring import score
from workbench.scoring.frames import BATCH

SPEC = nets.TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
NETS = {
    "small CNN": nets.CNNConfig(
        blocks=(nets.BlockConfig(channels=16), nets.BlockConfig(channels=32))
    ),
    "large CNN": nets.CNNConfig(
        blocks=tuple(nets.BlockConfig(channels=width) for width in (32, 64, 128)), dense=(128,)
    ),
}
Way = Callable[[], Any]


@contextmanager
def start_local_spark(cores: int) -> Iterator[Any]:
    """A Spark session in this process, with `cores` task slots."""
    find_java().use()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "2048")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def make_bare(folder: Path, pictures: np.ndarray, cores: int) -> Way:
    net = nets.load(folder)

    def run() -> None:
        torch.set_num_threads(cores)
        with torch.inference_mode():
            for start in range(0, len(pictures), BATCH):
                net(torch.from_numpy(pictures[start : start + BATCH])).softmax(1)

    return run


def make_mlflow_udf(spark: Any, folder: Path) -> Any:
    """MLflow's function over the model, recorded as in a run."""
    import mlflow.pyfunc

    from tracking.models import save_model

    model = folder.parent / "model"
    example = {"features": [bytes(SPEC.num_bytes)] * 2}
    save_model(folder, model, example=example, labels=list("0123456789"))
    return mlflow.pyfunc.spark_udf(
        spark,
        str(model),
        result_type="prediction long, label string, probabilities array<double>",
        env_manager="local",
    )


def make_batch_udf(folder: Path) -> Any:
    """PySpark's predict_batch_udf over the same net."""
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql.types import ArrayType, FloatType

    path = str(folder)

    def make() -> Any:
        torch.set_num_threads(1)
        net = nets.load(path)

        def predict(values: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return net(torch.from_numpy(values)).numpy()

        return predict

    return predict_batch_udf(
        make,
        return_type=ArrayType(FloatType()),
        batch_size=BATCH,
        input_tensor_shapes=[list(SPEC.shape)],
    )


def make_noop(frame: Any) -> Way:
    return lambda: frame.write.format("noop").mode("overwrite").save()


def cache_pictures(spark: Any, pictures: np.ndarray, path: Path, cores: int) -> Any:
    """The pictures as rows of bytes in Spark's cache."""
    content = pa.array([picture.tobytes() for picture in pictures], pa.binary())
    pq.write_table(pa.table({"features": content}), path)
    frame = spark.read.parquet(str(path)).repartition(2 * cores).cache()
    frame.count()
    return frame


def convert_to_floats(frame: Any, rows: int, cores: int) -> Any:
    """The first `rows` rows as arrays of floats, in Spark's cache."""
    floats = frame.limit(rows).selectExpr(
        "transform(sequence(1, length(features)), "
        "i -> cast(conv(hex(substring(features, i, 1)), 16, 10) as float)) as features"
    )
    floats = floats.repartition(2 * cores).cache()
    floats.count()
    return floats


def compare(
    results: report.Report, spark: Any, name: str, rows: int, cores: int, rounds: int
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (rows, *SPEC.shape), np.uint8)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "net"
        nets.save(nets.build(NETS[name], SPEC, 10), folder, labels=list("0123456789"))
        frame = cache_pictures(spark, pictures, Path(temporary) / "rows.parquet", cores)
        floats = convert_to_floats(frame, rows // 4, cores)
        makers: dict[str, tuple[int, Callable[[], Way]]] = {
            "workbench.scoring.score": (rows, lambda: make_noop(score(frame, folder))),
            "mlflow.pyfunc.spark_udf": (
                rows,
                lambda: make_noop(frame.select(make_mlflow_udf(spark, folder)("features"))),
            ),
            "predict_batch_udf": (
                rows // 4,
                lambda: make_noop(floats.select(make_batch_udf(folder)("features"))),
            ),
            f"the bare net, {cores} threads": (rows, lambda: make_bare(folder, pictures, cores)),
        }
        ways: dict[str, tuple[int, Way]] = {}
        for way, (number, make) in makers.items():
            # Spark keeps Python workers by their environment. Each way has its own variable, so no way
            # runs in a process that another one has set up.
            spark.sparkContext.environment["BENCH_WAY"] = way
            ways[way] = number, make()
        times = report.run_interleaved({way: run for way, (_, run) in ways.items()}, rounds)
        frame.unpersist()
        floats.unpersist()
    for way, seconds in times.items():
        results.add(name, way, [ways[way][0] / s for s in seconds], "rows/s")


def main() -> None:
    parser = report.make_parser(__doc__, rounds=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    results = report.Report("scoring", f"Scoring in Spark, {options.cores} task slots", options)
    with start_local_spark(options.cores) as spark:
        for name in NETS:
            compare(results, spark, name, options.rows, options.cores, options.rounds)
    results.finish()


if __name__ == "__main__":
    main()
