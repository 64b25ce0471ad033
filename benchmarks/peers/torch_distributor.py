"""Spark's TorchDistributor in local mode: seconds of each epoch, by case and number of workers.

    python benchmarks/peers/torch_distributor.py --case "ResNet 32x32" --rows rows.parquet --workers 2

The function follows PySpark's own guide: DistributedDataParallel, a DistributedSampler, a DataLoader.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from benchmarks.cases import CASES
from workbench.cluster import find_java


def train(case_name: str, path: str, threads: int, epochs: int) -> list[float]:
    import time

    import pyarrow.parquet as pq
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
    from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

    from benchmarks.cases import CASES, Plain, make_optimizer, train_on

    case = CASES[case_name]
    torch.set_num_threads(threads)
    dist.init_process_group("gloo")
    rows = pq.read_table(path)
    values = rows["features"].combine_chunks().flatten().to_numpy()
    features = torch.from_numpy(values.copy()).reshape(len(rows), *case.spec.shape)
    data = TensorDataset(features, torch.from_numpy(rows["label"].to_numpy().copy()))
    sampler = DistributedSampler(data)
    loader = DataLoader(data, case.config.batch_size, sampler=sampler)
    model = DistributedDataParallel(Plain(case))
    optimizer = make_optimizer(model, case.config)
    seconds = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        began = time.perf_counter()
        train_on(loader, model, optimizer)
        seconds.append(time.perf_counter() - began)
    dist.destroy_process_group()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=list(CASES), action="append", required=True)
    parser.add_argument("--rows", action="append", required=True, help="Parquet: features, label")
    parser.add_argument("--workers", type=int, action="append", required=True)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    find_java().use()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{options.cores}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    fits = []
    for case, path in zip(options.case, options.rows, strict=True):
        for workers in options.workers:
            distributor = TorchDistributor(num_processes=workers, local_mode=True, use_gpu=False)
            threads = max(1, options.cores // workers)
            epochs = distributor.run(train, case, path, threads, options.epochs)
            fits.append({"case": case, "workers": workers, "epochs": epochs})
    spark.stop()
    print(json.dumps(fits))


if __name__ == "__main__":
    main()
