"""Trials one after another, each by Spark's TorchDistributor: python benchmarks/peers/spark_loop.py 4 5"""

from __future__ import annotations

import itertools
import os
import sys

from benchmarks.peers.digits_trial import GRID
from workbench.cluster import find_java


def one(settings: dict[str, object], epochs: int) -> float:
    from benchmarks.peers.digits_trial import train

    return max(train(settings, epochs, loader=True))


def main() -> None:
    trials, epochs = map(int, sys.argv[1:])
    find_java().use()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[*]").config("spark.ui.enabled", False).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for values in itertools.islice(itertools.product(*GRID.values()), trials):
        distributor = TorchDistributor(num_processes=1, local_mode=True, use_gpu=False)
        distributor.run(one, dict(zip(GRID, values, strict=True)), epochs)
    spark.stop()


if __name__ == "__main__":
    main()
