"""Scoring in Spark beside the bare net, on the same batches and cores; and beside Spark's own way.

    python -m bench.scoring                 pictures of 3x32x32
    python -m bench.scoring --rows 40000 --cores 4

Bare: the net over one array in memory, batch by batch, with as many threads as cores. Spark: rows of
bytes from Spark's cache through `workbench.scoring.score`, all answers computed and dropped (`noop`).
predict_batch_udf: PySpark's own, the same net on the same rows as arrays of floats, which is what it
takes; logits only. Each is run once for nothing, then `--repeats` times; the median counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import nets
from workbench.cluster.java import find_java
from workbench.scoring import score
from workbench.scoring.frames import BATCH

SPEC = nets.TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
NETS = {
    "small": nets.CNNConfig(blocks=(nets.BlockConfig(channels=16), nets.BlockConfig(channels=32))),
    "large": nets.CNNConfig(
        blocks=tuple(nets.BlockConfig(channels=width) for width in (32, 64, 128)), dense=(128,)
    ),
}


def seconds(run: Callable[[], Any], repeats: int) -> float:
    run()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def bare(folder: Path, pictures: np.ndarray, cores: int) -> Callable[[], Any]:
    torch.set_num_threads(cores)
    net = nets.load(folder)

    def run() -> None:
        with torch.inference_mode():
            for start in range(0, len(pictures), BATCH):
                net(torch.from_numpy(pictures[start : start + BATCH])).softmax(1)

    return run


def batch_udf(spark: Any, folder: Path) -> Any:
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


def compare(spark: Any, name: str, rows: int, cores: int, repeats: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (rows, *SPEC.shape), np.uint8)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "net"
        nets.save(nets.build(NETS[name], SPEC, 10), folder, labels=list("0123456789"))
        content = pa.array([picture.tobytes() for picture in pictures], pa.binary())
        pq.write_table(pa.table({"image": content}), Path(temporary) / "rows.parquet")
        frame = spark.read.parquet(f"{temporary}/rows.parquet").repartition(2 * cores).cache()
        frame.count()
        ours = score(frame, folder, features="image")
        theirs = batch_udf(spark, folder)
        floats = frame.selectExpr(
            "transform(sequence(1, length(image)), "
            "i -> cast(conv(hex(substring(image, i, 1)), 16, 10) as float)) as image"
        )
        floats = floats.limit(rows // 4).repartition(2 * cores).cache()
        few = floats.count()

        def noop(made: Any) -> Callable[[], Any]:
            return lambda: made.write.format("noop").mode("overwrite").save()

        base = rows / seconds(bare(folder, pictures, cores), repeats)
        rates = {
            f"bare net, {cores} threads": base,
            f"score, {cores} task slots": rows / seconds(noop(ours), repeats),
            "predict_batch_udf": few / seconds(noop(floats.select(theirs("image"))), repeats),
        }
        frame.unpersist()
        floats.unpersist()
    for what, rate in rates.items():
        print(f"{name:<8}{what:<34}{rate:>12,.0f} rows/s{rate / base:>8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    find_java().use()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{options.cores}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "2048")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    try:
        for name in NETS:
            compare(spark, name, options.rows, options.cores, options.repeats)
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
