"""What a trial costs beside its training: our sweep and the documented ways of Ray Tune.

    python -m bench.sweep            32 trials of one second each
    python -m bench.sweep --trials 8 --documented 2

Each trial sleeps for a second in three epochs: what is measured is everything around the training.
The documented patterns are those of Ray's own guide: a function that reports, and a function that
starts a TorchTrainer (https://docs.ray.io/en/latest/train/user-guides/hyperparameter-optimization.html).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
import ray.train
from ray import tune
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback
from rich.console import Console
from rich.table import Table

from tracking import MlflowRecorder
from workbench.cluster import ClusterConfig
from workbench.cluster import bench as open_bench
from workbench.experiments import load_experiment
from workbench.space import SweepConfig, Uniform
from workbench.worker import Trial

EPOCHS, SECONDS = 3, 1.0


class SleepingTrial(Trial):
    """Our trial with its training replaced by a pause: net, data, recording stay."""

    def step(self) -> dict[str, Any]:
        time.sleep(SECONDS / EPOCHS)
        self.learner.fit.epoch += 1
        metrics = {"validation/accuracy": 0.5, "epoch": float(self.learner.epoch)}
        self.learner.best_weights = dict(self.learner.net.state_dict())
        done = self.learner.finished
        return {"metrics": metrics, "finished": done, "done": done}


def ours(trials: int, bench: Any, store: str) -> float:
    """Seconds of a whole sweep, recorded in MLflow, without the evaluation of the best."""
    from dataclasses import replace

    import workbench.tuning as tuning

    experiment = load_experiment("digits_cnn")
    space = {"training.learning_rate": Uniform(low=1e-4, high=1e-1, log=True)}
    config = SweepConfig(space=space, num_trials=trials, scheduler="none", search="random")
    training = replace(experiment.training, epochs=EPOCHS)
    experiment = replace(experiment, sweep=config, training=training)
    recorder = MlflowRecorder(store)
    real, tuning.Trial = tuning.Trial, SleepingTrial  # type: ignore[misc]
    conclude, tuning._conclude_best = tuning._conclude_best, lambda *_: None  # type: ignore[assignment]
    began = time.perf_counter()
    try:
        tuning.sweep(experiment, bench=bench, recorder=recorder)
    finally:
        tuning.Trial, tuning._conclude_best = real, conclude  # type: ignore[misc]
    return time.perf_counter() - began


def plain(config: dict[str, Any]) -> None:
    """Ray Tune's function trainable."""
    for _ in range(EPOCHS):
        time.sleep(SECONDS / EPOCHS)
        tune.report({"accuracy": 0.5})


def train_loop(config: dict[str, Any]) -> None:
    for _ in range(EPOCHS):
        time.sleep(SECONDS / EPOCHS)
        ray.train.report({"accuracy": 0.5})


def over_train(config: dict[str, Any]) -> None:
    """Ray's documented trial: a driver function that runs a TorchTrainer."""
    TorchTrainer(
        train_loop,
        scaling_config=ray.train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 1}),
        run_config=ray.train.RunConfig(
            name=f"trial-{tune.get_context().get_trial_id()}",
            storage_path=config["storage"],
            callbacks=[TuneReportCallback()],
        ),
    ).fit()


def documented(function: Any, trials: int, cpus: float, at_once: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        tune.Tuner(
            tune.with_resources(function, {"CPU": cpus}),
            param_space={"rate": tune.uniform(0, 1), "storage": folder},
            tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=at_once),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=32, help="of ours and of plain functions")
    parser.add_argument(
        "--documented", type=int, default=4, help="trials that start a TorchTrainer"
    )
    chosen = parser.parse_args()
    at_once = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{Path(folder) / 'mlflow.db'}"
        with open_bench(ClusterConfig(), home=Path(folder)) as bench:
            ours(2, bench, store)  # data prepared, store made: once per data set, not per trial
            rows = [
                ("workbench sweep, with MLflow", chosen.trials, ours(chosen.trials, bench, store)),
                (
                    "Ray Tune, a function",
                    chosen.trials,
                    documented(plain, chosen.trials, 1, at_once),
                ),
                (
                    "Ray Tune, a function that starts a TorchTrainer",
                    chosen.documented,
                    documented(over_train, chosen.documented, 0.01, at_once),
                ),
            ]
    table = Table(title=f"Trials of {SECONDS:g} s on {at_once} cores")
    for name in ("", "trials", "wall s", "floor s", "wall / floor", "overhead s a trial", "ratio"):
        table.add_column(name, justify="right" if name else "left")
    first = None
    for name, trials, wall in rows:
        floor = trials * SECONDS / at_once
        overhead = (wall - floor) * at_once / trials
        first = first or wall / trials
        table.add_row(
            name,
            str(trials),
            f"{wall:.1f}",
            f"{floor:.1f}",
            f"{wall / floor:.2f}",
            f"{overhead:.2f}",
            f"{wall / trials / first:.2f}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
