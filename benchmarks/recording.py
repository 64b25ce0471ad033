"""What recording costs: the share of an epoch, by task; and a run's way into MLflow, beside its own calls.

    python -m benchmarks.recording [--runs 30] [--steps 10] [--rounds 5]

An epoch is trained and evaluated with health (what the UI says of each layer) and without, in turn;
its checkpoint, and its metrics and weights on their way to MLflow, are timed by themselves. In a session
they are recorded by another process while the next epoch is trained. Thirty runs of ten steps: every
way gets a new SQLite store each round, in turn.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import torch

import nets
from benchmarks import report
from benchmarks.cases import CIFAR, DIGITS, LSTM, Case
from benchmarks.noise import noise_data
from tracking.mlflow_recorder import MlflowRecorder
from tracking.models import save_model
from tracking.store import connect
from workbench.experiments import load_experiment
from workbench.experiments.experiment import Experiment
from workbench.training.learner import Learner
from workbench.training.recording import record_bytes

PARAMS = {f"part.setting_{i}": i for i in range(50)}
TAGS = {f"workbench.tag_{i}": "x" * 40 for i in range(8)}
SHARE = 0.05
"""The most that health may add to an epoch."""
Way = Callable[[str, int, int], None]


def tasks() -> list[Case]:
    """Nets and settings as shipped; the pictures' epoch is a thirtieth of the real one."""
    digits, pictures = load_experiment("digits_cnn"), load_experiment("cifar10_cnn")
    return [
        replace(DIGITS, name="digits_cnn", net=digits.net, config=digits.training),
        replace(CIFAR, name="cifar10_cnn", net=pictures.net, config=pictures.training),
        LSTM,
    ]


def learner(case: Case, health: bool) -> Learner:
    training = replace(case.config, epochs=10_000, health=health)
    experiment = Experiment(
        name="benchmark",
        preparation=nets.PreparationConfig(method="none"),
        net=case.net,
        training=training,
    )
    return Learner(experiment, noise_data(case, shared=False))


def of_an_epoch(found: report.Report, case: Case, rounds: int, folder: Path) -> None:
    """Rows for one task."""
    plain, watched = learner(case, False), learner(case, True)
    ways = {"plain": plain.train_epoch, "health": watched.train_epoch}
    lasting = {name: report.lasting(way) for name, way in ways.items()}
    times = report.interleaved(lasting, rounds)
    epoch = statistics.median(times["plain"])
    found.add(case.name, "an epoch by itself", times["plain"])
    health = statistics.median(times["health"]) / epoch - 1
    found.add(
        case.name,
        "with health",
        times["health"],
        limit=(1 + SHARE) * epoch,
        note=f"{health:+.1%}",
    )
    metrics = watched.train_epoch()
    recorder = MlflowRecorder(f"sqlite:///{folder}/mlflow.db")
    run_id = recorder.start("benchmark", case.name, params=PARAMS, tags=TAGS)
    weights = _saved(watched, folder)
    step = iter(range(1, 10**6))
    parts = {
        "its checkpoint": lambda: _saved(watched, folder),
        "its metrics, handed over": lambda: recorder.metrics(run_id, metrics, next(step)),
        "its weights in the run": lambda: record_bytes(
            recorder, run_id, f"checkpoints/epoch_{next(step)}.safetensors", weights
        ),
    }
    for name, seconds in report.interleaved(parts, rounds).items():
        share = statistics.median(seconds) / epoch
        found.add(case.name, name, [1000 * s for s in seconds], "ms", note=f"{share:.1%} of it")
    recorder.finish(run_id)
    recorder.close()


def _saved(learner: Learner, folder: Path) -> bytes:
    """What a worker does after each epoch: everything to files and back."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        learner.save(Path(name))
        state = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    return state["last.safetensors"]


def values(step: int) -> dict[str, float]:
    """What a small training reports per epoch."""
    usual = ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy",
             "learning_rate", "gradient_norm", "samples_per_s")  # fmt: skip
    layers = [f"health/conv{i}/{what}" for i in range(2) for what in ("dead_share", "weight_norm")]
    return {name: 1 / step for name in (*usual, *layers)}


def one_by_one(uri: str, num_runs: int, num_steps: int) -> None:
    """`log_param` and `log_metric`, as in most tutorials."""
    for i in range(num_runs):
        with mlflow.start_run(run_name=f"run {i}", tags=TAGS):
            for name, value in PARAMS.items():
                mlflow.log_param(name, value)
            for step in range(1, num_steps + 1):
                for name, number in values(step).items():
                    mlflow.log_metric(name, number, step=step)


def fluent(uri: str, num_runs: int, num_steps: int) -> None:
    """`log_params` and `log_metrics`."""
    for i in range(num_runs):
        with mlflow.start_run(run_name=f"run {i}", tags=TAGS):
            mlflow.log_params(PARAMS)
            for step in range(1, num_steps + 1):
                mlflow.log_metrics(values(step), step=step)


def ours(uri: str, num_runs: int, num_steps: int) -> None:
    recorder = MlflowRecorder(uri)
    for i in range(num_runs):
        run_id = recorder.start("benchmark", f"run {i}", params=PARAMS, tags=TAGS)
        for step in range(1, num_steps + 1):
            recorder.metrics(run_id, values(step), step)
        recorder.finish(run_id)
    recorder.close()


WAYS: dict[str, Way] = {
    "MlflowRecorder": ours,
    "MLflow, a call per step": fluent,
    "MLflow, a call per value": one_by_one,
}


def timed(way: Way, empty: Path, num_runs: int, num_steps: int) -> float:
    """Seconds until all is in a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty, Path(folder) / "mlflow.db")
        uri = f"sqlite:///{folder}/mlflow.db"
        client = connect(uri)
        mlflow.set_tracking_uri(uri)
        client.create_experiment("benchmark", Path(folder).as_uri())
        mlflow.set_experiment("benchmark")
        began = time.perf_counter()
        way(uri, num_runs, num_steps)
        seconds = time.perf_counter() - began
        count = len(client.search_runs([client.get_experiment_by_name("benchmark").experiment_id]))
        assert count == num_runs
        return seconds


def of_runs(found: report.Report, options: argparse.Namespace, folder: Path) -> None:
    began = time.perf_counter()
    connect(f"sqlite:///{folder}/empty.db")
    created = time.perf_counter() - began
    runs, steps = options.runs, options.steps
    case = f"{runs} runs x {steps} steps"
    ways = {
        name: lambda way=way: timed(way, folder / "empty.db", runs, steps)
        for name, way in WAYS.items()
    }
    for way, seconds in report.interleaved(ways, min(3, options.rounds), warm=0).items():
        found.add(
            case, way, seconds, note=f"{1000 * statistics.median(seconds) / runs:.0f} ms a run"
        )
    found.add("a new store, once", "SQLite", created)


def of_models(found: report.Report, rounds: int, folder: Path) -> None:
    """Writing a model: ours, and MLflow's pyfunc, which finds out the requirements."""
    spec = nets.TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    nets.save(nets.build(nets.CNNConfig(), spec, 10), folder / "net", labels=list("0123456789"))
    example = {"features": [bytes(64), bytes(64)]}
    number = iter(range(10**6))

    def ours() -> None:
        target = folder / f"model{next(number)}"
        save_model(folder / "net", target, example=example, labels=list("0123456789"))

    def by_mlflow() -> None:
        target = str(folder / f"model{next(number)}")
        mlflow.pyfunc.save_model(target, loader_module="nets.pyfunc", data_path=str(folder / "net"))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.add("a model", "workbench", report.interleaved({"": ours}, rounds)[""])
        once = report.interleaved({"": by_mlflow}, 1, warm=0)[""]
        found.add("a model", "mlflow.pyfunc.save_model", once, note="finds out its requirements")


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    torch.manual_seed(0)
    found = report.Report("recording", "Recording", options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in tasks():
            of_an_epoch(found, case, options.rounds, folder)
        of_runs(found, options, folder)
        of_models(found, options.rounds, folder)
    found.finish()


if __name__ == "__main__":
    main()
