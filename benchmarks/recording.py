"""What recording costs: its share of an epoch, and writing runs and models beside MLflow's own calls.

    python -m benchmarks.recording [--runs 30] [--steps 10] [--rounds 5]

Epochs with health (what the UI shows of each layer) and without are measured in turn. The checkpoint,
and recording metrics and weights, are timed alone; in a session, another process records them while the
next epoch is trained. For the runs, each way gets a new SQLite store in each round.
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
"""The largest share that health may add to an epoch."""
Way = Callable[[str, int, int], None]


def make_cases() -> list[Case]:
    """Nets and settings of the experiments that ship; the epoch of pictures is a thirtieth of the real one."""
    digits, pictures = load_experiment("digits_cnn"), load_experiment("cifar10_cnn")
    return [
        replace(DIGITS, name="digits_cnn", net=digits.net, config=digits.training),
        replace(CIFAR, name="cifar10_cnn", net=pictures.net, config=pictures.training),
        LSTM,
    ]


def make_learner(case: Case, health: bool) -> Learner:
    training = replace(case.config, epochs=10_000, health=health)
    experiment = Experiment(
        name="benchmark",
        preparation=nets.PreparationConfig(method="none"),
        net=case.net,
        training=training,
    )
    return Learner(experiment, noise_data(case))


def measure_epoch(results: report.Report, case: Case, rounds: int, folder: Path) -> None:
    """Add the rows of one case."""
    plain, watched = make_learner(case, False), make_learner(case, True)
    ways = {"plain": plain.train_epoch, "health": watched.train_epoch}
    lasting = {name: report.repeat_for(way) for name, way in ways.items()}
    times = report.run_interleaved(lasting, rounds)
    epoch = statistics.median(times["plain"])
    results.add(case.name, "an epoch by itself", times["plain"])
    health = statistics.median(times["health"]) / epoch - 1
    results.add(
        case.name,
        "with health",
        times["health"],
        limit=(1 + SHARE) * epoch,
        note=f"{health:+.1%}",
    )
    metrics = watched.train_epoch()
    recorder = MlflowRecorder(f"sqlite:///{folder}/mlflow.db")
    run_id = recorder.start("benchmark", case.name, params=PARAMS, tags=TAGS)
    weights = _save_state(watched, folder)
    step = iter(range(1, 10**6))
    parts = {
        "its checkpoint": lambda: _save_state(watched, folder),
        "its metrics, handed over": lambda: recorder.metrics(run_id, metrics, next(step)),
        "its weights in the run": lambda: record_bytes(
            recorder, run_id, f"checkpoints/epoch_{next(step)}.safetensors", weights
        ),
    }
    for name, seconds in report.run_interleaved(parts, rounds).items():
        share = statistics.median(seconds) / epoch
        results.add(case.name, name, [1000 * s for s in seconds], "ms", note=f"{share:.1%} of it")
    recorder.finish(run_id)
    recorder.close()


def _save_state(learner: Learner, folder: Path) -> bytes:
    """What a worker does after each epoch: write its state to files and read it."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        learner.save(Path(name))
        state = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    return state["last.safetensors"]


def make_metrics(step: int) -> dict[str, float]:
    """What a small training reports per epoch."""
    names = [
        f"{split}/{what}" for split in ("train", "validation") for what in ("loss", "accuracy")
    ]
    names += ["learning_rate", "gradient_norm", "samples_per_s"]
    names += [f"health/conv{i}/{what}" for i in range(2) for what in ("dead_share", "weight_norm")]
    return {name: 1 / step for name in names}


def one_by_one(uri: str, num_runs: int, num_steps: int) -> None:
    """`log_param` and `log_metric`, as in most tutorials."""
    for i in range(num_runs):
        with mlflow.start_run(run_name=f"run {i}", tags=TAGS):
            for name, value in PARAMS.items():
                mlflow.log_param(name, value)
            for step in range(1, num_steps + 1):
                for name, number in make_metrics(step).items():
                    mlflow.log_metric(name, number, step=step)


def fluent(uri: str, num_runs: int, num_steps: int) -> None:
    """`log_params` and `log_metrics`."""
    for i in range(num_runs):
        with mlflow.start_run(run_name=f"run {i}", tags=TAGS):
            mlflow.log_params(PARAMS)
            for step in range(1, num_steps + 1):
                mlflow.log_metrics(make_metrics(step), step=step)


def ours(uri: str, num_runs: int, num_steps: int) -> None:
    recorder = MlflowRecorder(uri)
    for i in range(num_runs):
        run_id = recorder.start("benchmark", f"run {i}", params=PARAMS, tags=TAGS)
        for step in range(1, num_steps + 1):
            recorder.metrics(run_id, make_metrics(step), step)
        recorder.finish(run_id)
    recorder.close()


WAYS: dict[str, Way] = {
    "MlflowRecorder": ours,
    "MLflow, a call per step": fluent,
    "MLflow, a call per value": one_by_one,
}


def time_way(way: Way, empty: Path, num_runs: int, num_steps: int) -> float:
    """Seconds until all runs are in a new store."""
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


def measure_runs(results: report.Report, options: argparse.Namespace, folder: Path) -> None:
    began = time.perf_counter()
    connect(f"sqlite:///{folder}/empty.db")
    created = time.perf_counter() - began
    runs, steps = options.runs, options.steps
    case = f"{runs} runs x {steps} steps"
    ways = {
        name: lambda way=way: time_way(way, folder / "empty.db", runs, steps)
        for name, way in WAYS.items()
    }
    for way, seconds in report.run_interleaved(ways, min(3, options.rounds), warm=0).items():
        results.add(
            case, way, seconds, note=f"{1000 * statistics.median(seconds) / runs:.0f} ms a run"
        )
    results.add("a new store, once", "SQLite", created)


def measure_models(results: report.Report, rounds: int, folder: Path) -> None:
    """Writing a model: ours beside MLflow's pyfunc, which inspects its requirements."""
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
        results.add("a model", "workbench", report.run_interleaved({"": ours}, rounds)[""])
        once = report.run_interleaved({"": by_mlflow}, 1, warm=0)[""]
        results.add("a model", "mlflow.pyfunc.save_model", once, note="inspects its requirements")


def main() -> None:
    parser = report.make_parser(__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    torch.manual_seed(0)
    results = report.Report("recording", "Recording", options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in make_cases():
            measure_epoch(results, case, options.rounds, folder)
        measure_runs(results, options, folder)
        measure_models(results, options.rounds, folder)
    results.finish()


if __name__ == "__main__":
    main()
