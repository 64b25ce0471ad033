"""Training throughput: ours beside a loop by hand, DataLoader, Ray Train, TorchDistributor, TorchEstimator.

    python -m bench.training                  everything: under four minutes on two cores
    python -m bench.training --only loops     what needs no cluster

Same net, rows, batch size and precision everywhere; rows/s of the training loop alone, as each
epoch takes, without the first. Noise for data: how long a step takes does not depend on it. Loops in
one process are measured in turn. Several workers share the machine's cores, and each gets its share
of the batch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.utils.data import DataLoader, TensorDataset

from bench import cases, report
from bench.cases import CASES, CIFAR, CLASSES, LSTM, Case
from nets.batches import Batch, batches, num_batches
from nets.fit import Fit
from nets.prepare import PreparationConfig

ROOT = Path(__file__).parents[1]
CORES = os.cpu_count() or 1
EPOCHS = 5
ENVIRONMENT = dict(os.environ)
"""As it was: a bench sets variables of Ray's, and a peer has to run without them."""
Rates = dict[tuple[str, int], list[float]]
"""Rows per second of each epoch but the first, by case and workers."""


def by_fit(case: Case, data: Batch) -> Callable[[], None]:
    size = case.config.batch_size
    steps = num_batches(len(data.label), size)
    fit = Fit(case.make(), case.config, steps_per_epoch=steps, device=data.features.device)

    def epoch() -> None:
        fit.train_epoch(batches(data, size, seed=0, epoch=fit.epoch))

    return epoch


def by_loader(case: Case, data: Batch, processes: int) -> Callable[[], None]:
    """PyTorch's DataLoader over a TensorDataset, as its tutorials have it."""
    rows = DataLoader(
        TensorDataset(data.features.cpu(), data.label.cpu()),
        case.config.batch_size,
        shuffle=True,
        num_workers=processes,
        persistent_workers=processes > 0,
    )
    device = data.features.device
    model = cases.Plain(case).to(device)
    optimizer = cases.make_optimizer(model, case.config)
    return lambda: cases.train_on(
        ((features.to(device), label.to(device)) for features, label in rows), model, optimizer
    )


def loops(found: report.Report, rounds: int) -> None:
    """What needs no cluster, in this process with all cores."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for case in CASES.values():
        rows = case.data()
        data = Batch(rows.features.to(device), rows.label.to(device))
        ways = {
            "workbench": by_fit(case, data),
            "by hand, rows on the device": cases.by_hand(case, data),
            "by hand, fused optimizer": cases.by_hand(case, data, fused=True),
            "DataLoader": by_loader(case, data, 0),
            "DataLoader, 2 processes": by_loader(case, data, 2),
        }
        times = report.interleaved({way: report.lasting(run) for way, run in ways.items()}, rounds)
        for way, seconds in times.items():
            rates = [case.rows / s for s in seconds]
            target = 0.95 if way.startswith("by hand, rows") else None
            found.add(f"{case.name}, one process", way, rates, "rows/s", target=target)


def workbench(chosen: list[Case], workers: tuple[int, ...]) -> Rates:
    """`train(...)` on a bench with the rows in Ray's store; every worker has its share of the cores."""
    from bench.noise import noise_data
    from workbench.cluster import ClusterConfig
    from workbench.cluster import bench as open_bench
    from workbench.experiment import Experiment
    from workbench.progress import Silent
    from workbench.training import train

    rates: Rates = {}

    class Listening(Silent):
        def epoch(self, run: str, epoch: int, epochs: int, metrics: Mapping[str, float]) -> None:
            if epoch > 1:
                rates.setdefault(key, []).append(metrics["samples_per_s"])

    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        with open_bench(ClusterConfig(), home=Path(folder)) as bench:
            for case in chosen:
                prepared = noise_data(case)
                for number in workers:
                    key = (case.name, number)
                    size = case.config.batch_size // number
                    experiment = Experiment(
                        name="bench",
                        preparation=PreparationConfig(method="none"),
                        net=case.net,
                        training=replace(case.config, epochs=EPOCHS, batch_size=size),
                        cluster=ClusterConfig(
                            num_workers=number, cpus_per_worker=CORES / number, storage=folder
                        ),
                    )
                    train(experiment, bench=bench, prepared=prepared, progress=Listening())
            rates |= {("ray", *key): value for key, value in ray_train(chosen, workers).items()}
    return rates


def ray_train(chosen: list[Case], workers: tuple[int, ...]) -> Rates:
    """Ray Train's documented pattern on the Ray that runs: `iter_torch_batches` of a Dataset."""
    import ray
    import ray.train
    from ray.train.torch import TorchTrainer

    rates: Rates = {}
    for case in chosen:
        data = case.data()
        columns = {"features": data.features.numpy(), "label": data.label.numpy()}
        dataset = ray.data.range(case.rows).map_batches(
            lambda part, columns=columns: {k: v[part["id"]] for k, v in columns.items()}
        )
        dataset = dataset.materialize()
        for number in workers:
            with tempfile.TemporaryDirectory() as folder:
                TorchTrainer(
                    _ray_worker,
                    train_loop_config={"case": case.name, "out": f"{folder}/epochs.json"},
                    datasets={"train": dataset},
                    scaling_config=ray.train.ScalingConfig(
                        num_workers=number, resources_per_worker={"CPU": CORES / number}
                    ),
                    run_config=ray.train.RunConfig(storage_path=folder),
                ).fit()
                seconds = json.loads(Path(f"{folder}/epochs.json").read_text())
            rates[case.name, number] = [case.rows / s for s in seconds[1:]]
    return rates


def _ray_worker(config: dict[str, Any]) -> None:
    import ray.train
    import ray.train.torch

    case = CASES[config["case"]]
    workers = ray.train.get_context().get_world_size()
    torch.set_num_threads(max(1, CORES // workers))
    model = ray.train.torch.prepare_model(cases.Plain(case))
    optimizer = cases.make_optimizer(model, case.config)
    shard = ray.train.get_dataset_shard("train")
    seconds = []
    for _ in range(EPOCHS):
        began = time.perf_counter()
        rows = shard.iter_torch_batches(batch_size=case.config.batch_size // workers)
        cases.train_on(((part["features"], part["label"]) for part in rows), model, optimizer)
        seconds.append(time.perf_counter() - began)
    if ray.train.get_context().get_world_rank() == 0:
        Path(config["out"]).write_text(json.dumps(seconds))


def by_peer(script: str, chosen: list[Case], workers: tuple[int, ...]) -> Rates:
    """A program of `bench/peers`, in a process of its own: it has a Spark, and perhaps a Ray."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "bench/peers" / script), "--epochs", str(EPOCHS)]
        for case in chosen:
            command += ["--case", case.name, "--rows", str(_written(case, Path(folder)))]
        for number in workers:
            command += ["--workers", str(number)]
        environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT), "HOME": folder}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env=environment
        )
    if done.returncode:
        print(f"{script} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    made = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        (one["case"], one["workers"]): [CASES[one["case"]].rows / s for s in one["epochs"][1:]]
        for one in made
    }


def _written(case: Case, folder: Path) -> Path:
    """The rows as a Parquet file of `features` (a list of floats) and `label`."""
    data = case.data()
    flat = data.features.flatten(1).float().numpy()
    values = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    table = pa.table({"features": values.cast(pa.list_(pa.float32())), "label": data.label.numpy()})
    path = folder / f"{case.spec.kind}.parquet"
    pq.write_table(table, path)
    return path


def clusters(found: report.Report) -> None:
    """Through Ray or Spark, one worker with all cores and two that share them."""
    chosen, workers = [CIFAR, LSTM], (1, 2)
    both = workbench(chosen, workers)
    ours = {key: value for key, value in both.items() if key[0] != "ray"}
    peers = {
        "Ray Train, iter_torch_batches": {k[1:]: v for k, v in both.items() if k[0] == "ray"},
        "TorchDistributor, local mode": by_peer("torch_distributor.py", chosen, workers),
        "RayDP TorchEstimator": by_peer("raydp_estimator.py", chosen, workers),
    }
    for case in chosen:
        for number in workers:
            name = f"{case.name}, {number} worker{'s' * (number > 1)}"
            found.add(name, "workbench", ours[case.name, number], "rows/s")
            if number > 1:
                one = ours[case.name, 1]
                found.add(name, "workbench, 1 worker", one, "rows/s", target=1)
            for way, rates in peers.items():
                if (case.name, number) in rates:
                    target = 3 if "Estimator" in way else None
                    found.add(name, way, rates[case.name, number], "rows/s", target=target)
                else:
                    found.skip(name, way, "failed here")


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--only", choices=("loops", "clusters"))
    options = parser.parse_args()
    found = report.Report("training", f"Training, {CLASSES} classes, {CORES} cores", options)
    if options.only != "clusters":
        loops(found, options.rounds)
    if options.only != "loops":
        clusters(found)
    found.finish()


if __name__ == "__main__":
    main()
