"""RayDP's TorchEstimator, on Ray Train V1: seconds of each epoch, by case and number of workers.

python benchmarks/peers/raydp_estimator.py --case "ResNet 32x32" --rows rows.parquet --workers 2
"""

from __future__ import annotations

import argparse
import json
import os
import sys

os.environ["RAY_TRAIN_V2_ENABLED"] = "0"  # it was written for V1
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"

import ray
import raydp
import torch
from raydp.torch import TorchEstimator

from benchmarks.cases import CASES, Plain, make_optimizer
from workbench.cluster import find_java


class Loss(torch.nn.CrossEntropyLoss):
    """Labels come as a column (B, 1)."""

    def forward(self, scores: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return super().forward(scores, label.flatten())


def fit(case_name: str, frame: object, workers: int, threads: int, epochs: int) -> list[float]:
    case = CASES[case_name]

    def make(config: dict) -> torch.nn.Module:
        torch.set_num_threads(threads)
        return Plain(case)

    estimator = TorchEstimator(
        num_workers=workers,
        resources_per_worker={"CPU": threads},
        model=make,
        optimizer=lambda model, config: make_optimizer(model, case.config),
        loss=Loss(),
        feature_columns=["features"],
        feature_types=torch.float,
        label_column="label",
        label_type=torch.long,
        batch_size=case.config.batch_size,
        num_epochs=epochs,
        shuffle=False,
        drop_last=True,
    )
    estimator.fit_on_spark(frame, max_retries=0)
    taken = estimator._trained_results.metrics_dataframe
    return taken["time_this_iter_s"].tolist()[:-1]  # the last report has the checkpoint alone


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", choices=list(CASES), action="append", required=True)
    parser.add_argument("--rows", action="append", required=True, help="Parquet: features, label")
    parser.add_argument("--workers", type=int, action="append", required=True)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    java = find_java()
    java.use()
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # CPUs for the executors and the trainer's own process, which are idle while nets train.
    ray.init(
        address="local",
        num_cpus=2 * options.cores + 1,
        include_dashboard=False,
        log_to_driver=False,
    )
    spark = raydp.init_spark(
        "torch-estimator",
        num_executors=1,
        executor_cores=options.cores,
        executor_memory="1g",
        configs={
            "spark.ray.raydp_spark_executor.actor.resource.cpu": "0.1",
            "spark.ray.raydp_app_master.extraJavaOptions": java.options,
            "spark.driver.extraJavaOptions": java.options,
            "spark.executor.extraJavaOptions": java.options,
        },
    )
    fits = []
    for case, path in zip(options.case, options.rows, strict=True):
        frame = spark.read.parquet(path).repartition(options.cores)
        for workers in options.workers:
            threads = max(1, options.cores // workers)
            epochs = fit(case, frame, workers, threads, options.epochs)
            fits.append({"case": case, "workers": workers, "epochs": epochs})
    print(json.dumps(fits))
    raydp.stop_spark()
    ray.shutdown()


if __name__ == "__main__":
    main()
