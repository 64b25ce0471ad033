"""The cost of recording: thirty runs of ten steps, by MLflow's fluent calls and by `MlflowRecorder`.

    python -m bench.recording [--runs 30] [--steps 10] [--rounds 3]

Every way gets a new SQLite store each round, in turn; medians. The share of a training is what its
own thread waits in `metrics()`, the only call it makes per epoch.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import mlflow

import nets
from tracking.mlflow_recorder import MlflowRecorder
from tracking.models import save_model
from tracking.store import connect

PARAMS = {f"part.setting_{i}": i for i in range(50)}
TAGS = {f"workbench.tag_{i}": "x" * 40 for i in range(8)}
Way = Callable[[str, int, int], float]


def values(step: int) -> dict[str, float]:
    """What a small training reports per epoch."""
    usual = ("train/loss", "train/accuracy", "validation/loss", "validation/accuracy",
             "learning_rate", "gradient_norm", "samples_per_s")  # fmt: skip
    layers = [f"health/conv{i}/{what}" for i in range(2) for what in ("dead_share", "weight_norm")]
    return {name: 1 / step for name in (*usual, *layers)}


def one_by_one(uri: str, num_runs: int, num_steps: int) -> float:
    """`log_param` and `log_metric`, as in most tutorials."""
    waited = 0.0
    for i in range(num_runs):
        with mlflow.start_run(run_name=f"run {i}", tags=TAGS):
            for name, value in PARAMS.items():
                mlflow.log_param(name, value)
            for step in range(1, num_steps + 1):
                began = time.perf_counter()
                for name, number in values(step).items():
                    mlflow.log_metric(name, number, step=step)
                waited += time.perf_counter() - began
    return waited


def fluent(uri: str, num_runs: int, num_steps: int) -> float:
    """`log_params` and `log_metrics`."""
    waited = 0.0
    for i in range(num_runs):
        with mlflow.start_run(run_name=f"run {i}", tags=TAGS):
            mlflow.log_params(PARAMS)
            for step in range(1, num_steps + 1):
                began = time.perf_counter()
                mlflow.log_metrics(values(step), step=step)
                waited += time.perf_counter() - began
    return waited


def ours(uri: str, num_runs: int, num_steps: int) -> float:
    recorder = MlflowRecorder(uri)
    waited = 0.0
    for i in range(num_runs):
        run_id = recorder.start("bench", f"run {i}", params=PARAMS, tags=TAGS)
        for step in range(1, num_steps + 1):
            began = time.perf_counter()
            recorder.metrics(run_id, values(step), step)
            waited += time.perf_counter() - began
        recorder.finish(run_id)
    recorder.close()
    return waited


WAYS: dict[str, Way] = {
    "fluent, a call per value": one_by_one,
    "fluent, a call per step": fluent,
    "MlflowRecorder": ours,
}


def timed(way: Way, empty: Path, num_runs: int, num_steps: int) -> tuple[float, float]:
    """Seconds in all, and seconds a training's thread waits per step."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty, Path(folder) / "mlflow.db")
        uri = f"sqlite:///{folder}/mlflow.db"
        client = connect(uri)
        mlflow.set_tracking_uri(uri)
        client.create_experiment("bench", Path(folder).as_uri())
        mlflow.set_experiment("bench")
        began = time.perf_counter()
        waited = way(uri, num_runs, num_steps)
        total = time.perf_counter() - began
        count = len(client.search_runs([client.get_experiment_by_name("bench").experiment_id]))
        assert count == num_runs
        return total, waited / (num_runs * num_steps)


def models(folder: Path) -> tuple[float, float]:
    """Seconds to write a model: ours, and MLflow's pyfunc, which finds out the requirements."""
    spec = nets.TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    nets.save(nets.build(nets.CNNConfig(), spec, 10), folder / "net", labels=list("0123456789"))
    example = {"features": [bytes(64), bytes(64)]}

    def once(call: Callable[[Path], object], number: int) -> float:
        began = time.perf_counter()
        call(folder / f"model{number}")
        return time.perf_counter() - began

    def ours(target: Path) -> None:
        save_model(folder / "net", target, example=example, labels=list("0123456789"))

    def by_mlflow(target: Path) -> None:
        mlflow.pyfunc.save_model(
            str(target), loader_module="nets.pyfunc", data_path=str(folder / "net")
        )

    once(ours, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            statistics.median(once(ours, i) for i in range(1, 6)),
            once(by_mlflow, 6),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        connect(f"sqlite:///{folder}/mlflow.db")
        created = time.perf_counter() - began
        for _ in range(options.rounds):
            for way, call in WAYS.items():
                empty = folder / "mlflow.db"
                found[way].append(timed(call, empty, options.runs, options.steps))
        print(
            f"{options.runs} runs x {options.steps} steps x {len(values(1))} metrics, "
            f"{len(PARAMS)} parameters, {len(TAGS)} tags, SQLite"
        )
        print(f"{'':<28}{'seconds':>9}{'ratio':>8}{'ms/run':>9}{'ms waited/epoch':>17}")
        least = statistics.median(total for total, _ in found["MlflowRecorder"])
        for way, times in found.items():
            total = statistics.median(t for t, _ in times)
            waited = statistics.median(w for _, w in times)
            print(
                f"{way:<28}{total:>9.2f}{total / least:>8.1f}{1000 * total / options.runs:>9.1f}"
                f"{1000 * waited:>17.2f}"
            )
        model, inferred = models(folder)
        print(f"\n{'a new store':<28}{created:>9.2f} s, once")
        print(
            f"{'a model':<28}{model:>9.3f} s; MLflow finding out its requirements {inferred:.1f} s"
        )


if __name__ == "__main__":
    main()
