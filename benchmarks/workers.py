"""Training throughput through a cluster: ours beside Ray Train, TorchDistributor and TorchEstimator.

    python -m benchmarks.workers          six minutes on two cores

The same net, rows, batch size and precision everywhere (benchmarks/cases.py). Measured are the rows/s of
the training loop alone, in each epoch but the first. One worker has all cores, two share them; the batch
size is that of one worker.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks import cases, report
from benchmarks.cases import CASES, CIFAR, LSTM, Case
from nets.prepare import PreparationConfig

ROOT = Path(__file__).parents[1]
CORES = os.cpu_count() or 1
EPOCHS = 5
CHOSEN = (CIFAR, LSTM)
WORKERS = (1, 2)
PATIENCE_S = 300
"""Seconds that a peer may take for all its fits."""
ENVIRONMENT = dict(os.environ)
"""The environment at the start: a session sets variables for Ray, and peers must run without them."""
Rates = dict[tuple[str, int], list[float]]
"""Rows per second of each epoch but the first, by case and workers."""


def measure_on_ray() -> tuple[Rates, Rates]:
    """`workbench.training.train` and Ray Train's documented pattern, on the same Ray."""
    from workbench.cluster import ClusterConfig, open_session

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        with open_session(ClusterConfig(), home=folder) as session:
            ours = measure_workbench(session, folder)
            session.end_idle_workers()
            return ours, measure_ray_train(folder)


def measure_workbench(session: Any, folder: Path) -> Rates:
    """`train(...)`, with the rows in Ray's object store."""
    from benchmarks.noise import noise_data
    from workbench.cluster import ClusterConfig
    from workbench.experiments.experiment import Experiment
    from workbench.progress import Epoch, Event, Progress
    from workbench.training import train

    rates: Rates = {(case.name, number): [] for case in CHOSEN for number in WORKERS}

    class Listening(Progress):
        def handle(self, event: Event) -> None:
            if isinstance(event, Epoch) and event.epoch > 1:
                rates[case.name, number].append(event.metrics["samples_per_s"])

    for case in CHOSEN:
        prepared = noise_data(case)
        for number in WORKERS:
            experiment = Experiment(
                name="benchmark",
                preparation=PreparationConfig(method="none"),
                net=case.net,
                training=replace(case.config, epochs=EPOCHS),
                cluster=ClusterConfig(
                    num_workers=number, cpus_per_worker=CORES / number, storage=str(folder)
                ),
            )
            train(experiment, session=session, prepared=prepared, progress=Listening())
    return rates


def measure_ray_train(folder: Path) -> Rates:
    """`iter_torch_batches` of a Dataset in Ray's object store."""
    import ray
    import ray.train
    from ray.train.torch import TorchTrainer

    logging.getLogger("ray.data").setLevel(logging.WARNING)
    datasets = {case.name: _make_dataset(case) for case in CHOSEN}
    rates: Rates = {}
    for number in WORKERS:
        out = folder / f"epochs_{number}.json"
        TorchTrainer(
            _ray_worker,
            train_loop_config={"out": str(out)},
            datasets=datasets,
            scaling_config=ray.train.ScalingConfig(
                num_workers=number, resources_per_worker={"CPU": CORES / number}
            ),
            run_config=ray.train.RunConfig(storage_path=str(folder)),
        ).fit()
        for name, seconds in json.loads(out.read_text()).items():
            rates[name, number] = _to_rates(name, seconds)
    return rates


def _to_rates(name: str, seconds: Sequence[float]) -> list[float]:
    return [CASES[name].rows / s for s in seconds[1:]]


def _make_dataset(case: Case) -> Any:
    import ray

    data = case.data()
    columns = {"features": data.features.numpy(), "label": data.label.numpy()}
    rows = ray.data.range(case.rows)
    return rows.map_batches(
        lambda part: {name: values[part["id"]] for name, values in columns.items()}
    ).materialize()


def _ray_worker(config: dict[str, Any]) -> None:
    import ray.train
    import ray.train.torch

    context = ray.train.get_context()
    workers, seconds = context.get_world_size(), {}
    torch.set_num_threads(max(1, CORES // workers))
    for case in CHOSEN:
        model = ray.train.torch.prepare_model(cases.Plain(case))
        optimizer = cases.make_optimizer(model, case.config)
        shard = ray.train.get_dataset_shard(case.name)
        seconds[case.name] = []
        for _ in range(EPOCHS):
            began = time.perf_counter()
            rows = shard.iter_torch_batches(batch_size=case.config.batch_size)
            cases.train_on(((part["features"], part["label"]) for part in rows), model, optimizer)
            seconds[case.name].append(time.perf_counter() - began)
    if context.get_world_rank() == 0:
        Path(config["out"]).write_text(json.dumps(seconds))


def run_peer(script: str) -> Rates:
    """Run a program of `benchmarks/peers` in its own process, because it starts Spark and perhaps Ray."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "benchmarks/peers" / script), "--epochs", str(EPOCHS)]
        for case in CHOSEN:
            command += ["--case", case.name, "--rows", str(_write_rows(case, Path(folder)))]
        for number in WORKERS:
            command += ["--workers", str(number)]
        environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT), "HOME": folder}
        try:
            reply = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=True,
                cwd=folder,
                env=environment,
                timeout=PATIENCE_S,
            )
        except subprocess.CalledProcessError as error:
            print(f"{script} failed: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return {}
        except subprocess.TimeoutExpired as error:
            print(f"{script}: {error}", file=sys.stderr)
            return {}
    fits = json.loads(reply.stdout.strip().splitlines()[-1])
    return {(one["case"], one["workers"]): _to_rates(one["case"], one["epochs"]) for one in fits}


def _write_rows(case: Case, folder: Path) -> Path:
    """Write the rows as a Parquet file of `features` (a list of floats) and `label`."""
    data = case.data()
    flat = data.features.flatten(1).float().numpy()
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    table = pa.table({"features": values.cast(pa.list_(pa.float32())), "label": data.label.numpy()})
    path = folder / f"{case.spec.kind}.parquet"
    pq.write_table(table, path)
    return path


def compare(results: report.Report) -> None:
    distributor = run_peer("torch_distributor.py")
    estimator = run_peer("raydp_estimator.py")
    ours, documented = measure_on_ray()
    peers = {
        "Ray Train, iter_torch_batches": documented,
        "TorchDistributor, local mode": distributor,
        "RayDP TorchEstimator": estimator,
    }
    for case in CHOSEN:
        for number in WORKERS:
            name = f"{case.name}, {number} worker{'s' * (number > 1)}"
            results.add(name, "workbench", ours[case.name, number], "rows/s")
            if number > 1:
                one = ours[case.name, 1]
                results.add(name, "workbench, 1 worker", one, "rows/s", target=1)
            for way, rates in peers.items():
                if (case.name, number) in rates:
                    target = 3 if rates is estimator else None
                    results.add(name, way, rates[case.name, number], "rows/s", target=target)
                else:
                    results.skip(name, way, "failed here, or took too long")


def main() -> None:
    options = report.make_parser(__doc__).parse_args()
    results = report.Report("workers", f"Training through a cluster, {CORES} cores", options)
    compare(results)
    results.finish()


if __name__ == "__main__":
    main()
