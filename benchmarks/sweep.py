"""A sweep of digits_cnn: ours beside Ray Tune as documented, Optuna in processes, and a loop in Spark.

    python -m benchmarks.sweep [--trials 64] [--epochs 5] [--rounds 1]

Learning rate x batch size x activation; the same net, rows and epochs everywhere; no trial is stopped
early; as many trials at once as cores, with one thread each. Measured is the whole search: ours and
Tune's on a Ray that runs, the others from nothing. The cost of one more trial is the time of all trials
less that of a quarter of them. The overhead of a trial is its cost less the pure training, which is timed
in as many processes at once as cores.

Ray Tune's ways are those of its guide: a function that reports, and a function that starts a
TorchTrainer (https://docs.ray.io/en/latest/train/user-guides/hyperparameter-optimization.html).
Slow ways run fewer trials and are compared per trial.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray import tune
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from benchmarks import report
from benchmarks.peers.digits_trial import GRID, digits, train
from nets.fit import Batch, Fit, batches, num_batches
from nets.net import build
from nets.spec import TensorSpec
from tracking import MlflowRecorder
from workbench.cluster import ClusterConfig, Session, open_session
from workbench.experiments import load_experiment
from workbench.experiments.space import Choice, SweepConfig
from workbench.sweeps import driver

AT_ONCE = os.cpu_count() or 1
ROOT = Path(__file__).parents[1]


def make_grid(trials: int) -> dict[str, list[Any]]:
    """A grid of that many trials: fewer learning rates, then fewer batch sizes."""
    grid, left = dict(GRID), trials
    for name in reversed(GRID):
        grid[name] = GRID[name][: max(1, min(len(GRID[name]), left))]
        left //= len(grid[name])
    return grid


def make_workbench_sweep(session: Session, store: str, epochs: int) -> Callable[[int], None]:
    def run(trials: int) -> None:
        space = {name: Choice(values=tuple(values)) for name, values in make_grid(trials).items()}
        experiment = load_experiment("digits_cnn")
        experiment = replace(
            experiment,
            sweep=SweepConfig(space=space, search="grid", scheduler="none"),
            training=replace(experiment.training, epochs=epochs),
        )
        recorder = MlflowRecorder(store)
        assert len(driver.sweep(experiment, session=session, recorder=recorder).trials) == trials
        recorder.close()

    return run


def tune_function(epochs: int) -> Callable[[int], None]:
    def objective(config: dict[str, Any]) -> None:
        for accuracy in train(config, epochs, loader=True):
            tune.report({"accuracy": accuracy})

    return lambda trials: _run_tuner(tune.with_resources(objective, {"CPU": 1}), trials)


def tune_over_trainer(epochs: int) -> Callable[[int], None]:
    def loop(config: dict[str, Any]) -> None:
        for accuracy in train(config, epochs, loader=True):
            ray.train.report({"accuracy": accuracy})

    def driver(config: dict[str, Any]) -> None:
        TorchTrainer(
            loop,
            train_loop_config=config,
            scaling_config=ray.train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
            run_config=ray.train.RunConfig(
                name=f"trial-{tune.get_context().get_trial_id()}",
                storage_path=config["storage"],
                callbacks=[TuneReportCallback()],
            ),
        ).fit()

    return lambda trials: _run_tuner(tune.with_resources(driver, {"CPU": 0.01}), trials)


def _run_tuner(trainable: Any, trials: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        space = {name: tune.grid_search(values) for name, values in make_grid(trials).items()}
        grid = tune.Tuner(
            trainable,
            param_space=space | {"storage": folder},
            tune_config=tune.TuneConfig(max_concurrent_trials=AT_ONCE),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        assert len(grid) == trials and not grid.errors


def optuna_processes(epochs: int, loader: bool) -> Callable[[int], None]:
    def run(trials: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "benchmarks/peers/digits_trial.py", "--epochs", str(epochs)]
            command += ["--storage", f"{folder}/journal", "--trials", str(trials // AT_ONCE)]
            processes = [
                subprocess.Popen(
                    command + ["--loader"] * loader,
                    cwd=ROOT,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                )
                for _ in range(AT_ONCE)
            ]
            assert not any(process.wait() for process in processes)

    return run


def spark_loop(epochs: int) -> Callable[[int], None]:
    """One fit after another, each by Spark's distributor, as CrossValidator does."""

    def run(trials: int) -> None:
        subprocess.run(
            [sys.executable, "benchmarks/peers/spark_loop.py", str(trials), str(epochs)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
        )

    return run


def time_pure_training(epochs: int) -> float:
    """Seconds that one trial trains while as many processes as cores train."""
    command = [sys.executable, "-m", "benchmarks.sweep", "--pure", "--epochs", str(epochs)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(AT_ONCE)
    ]
    return statistics.mean(float(process.communicate()[0]) for process in processes)


def _train_alone(epochs: int) -> float:
    """Train with the workbench's loop in this process; mean seconds over the grid's batch sizes."""
    torch.set_num_threads(1)
    experiment = load_experiment("digits_cnn")
    x, y, vx, vy = digits()
    spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    seconds = []
    for size in (32, 32, 64, 128, 256, 32, 64, 128, 256):  # the first to warm up
        config = replace(experiment.training, batch_size=size, epochs=epochs)
        began = time.perf_counter()
        steps = num_batches(len(y), size)
        fit = Fit(build(experiment.net, spec, 10), config, steps_per_epoch=steps)
        for epoch in range(epochs):
            fit.train_epoch(batches(Batch(x, y), size, seed=0, epoch=epoch))
            fit.evaluate(batches(Batch(vx, vy), 1024, seed=0, epoch=0, shuffle=False))
        seconds.append(time.perf_counter() - began)
    return statistics.mean(seconds[1:])


def main() -> None:
    parser = report.make_parser(__doc__, rounds=1)
    parser.add_argument("--trials", type=int, default=64, help="a multiple of 16")
    parser.add_argument("--slow", type=int, default=4, help="trials of the slow ways")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", help="only ways with this in their name")
    parser.add_argument(
        "--pure", action="store_true", help="only time the training of one trial, in this process"
    )
    options = parser.parse_args()
    if options.pure:
        return print(_train_alone(options.epochs))
    results = report.Report("sweep", "A sweep of digits_cnn", options)
    many, few, epochs = options.trials, options.slow, options.epochs
    with (
        tempfile.TemporaryDirectory() as folder,
        open_session(ClusterConfig(), home=Path(folder)) as session,
    ):
        mine = make_workbench_sweep(session, f"sqlite:///{folder}/mlflow.db", epochs)
        mine(2)  # prepares the data and makes the store: once per data set, not per trial
        ways = [
            ("workbench sweep, with MLflow", mine, many),
            ("Ray Tune, a function", tune_function(epochs), many // 4),
            ("Optuna in processes, DataLoader", optuna_processes(epochs, True), many),
            ("Optuna in processes, tensors", optuna_processes(epochs, False), many),
            ("Ray Tune, function over TorchTrainer", tune_over_trainer(epochs), few),
            ("TorchDistributor in a loop", spark_loop(epochs), few),
        ]
        for name, run, trials in ways:
            if not options.only or options.only in name:
                _add(results, name, run, trials, options.rounds)
    training = time_pure_training(epochs)
    for name, cost in [(row["way"], row["median"]) for row in results.rows if row["case"] == COST]:
        results.add(
            "overhead of a trial", name, cost - training, limit=0.2 if "work" in name else None
        )
    results.finish()


ALL, COST = "whole search, start included", "core seconds of one more trial"
TARGETS = {
    "Ray Tune, a function": 1.5,
    "Optuna in processes, DataLoader": 1.5,
    "Ray Tune, function over TorchTrainer": 5,
}


def _add(
    results: report.Report, name: str, run: Callable[[int], None], trials: int, rounds: int
) -> None:
    walls = []
    for _ in range(rounds):
        began = time.perf_counter()
        run(trials)
        walls.append(time.perf_counter() - began)
    began = time.perf_counter()
    run(trials // 4)
    less = time.perf_counter() - began
    rates = [trials / wall for wall in walls]
    results.add(ALL, name, rates, "trials/s", target=TARGETS.get(name))
    more = [(wall - less) / (trials - trials // 4) * AT_ONCE for wall in walls]
    results.add(COST, name, more, note=f"{trials} trials")


if __name__ == "__main__":
    main()
