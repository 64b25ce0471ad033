"""From the command to the first epoch, by stage: with and without a bench, with and without the data prepared.

    python -m benchmarks.startup [--rounds 5] [--experiment digits_cnn]

Each is a `workbench train ... --epochs 1` in its own folder; the lines it prints are timed. With data
prepared it is the median of the rounds (three where no bench runs). Last, the time that a training on two workers (by Ray Train)
takes beside its epochs.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from tracking import MlflowRecorder
from workbench.bridge import prepare
from workbench.cluster import open_session
from workbench.experiments import load_experiment

ROOT = Path(__file__).parents[1]

_STAGE = re.compile(r"^(?P<name>.+): done in (?P<seconds>[\d.]+) s$")
_EPOCH = re.compile(r"\bepoch 1/1\b")

_LIMITS = {"train, data prepared": 3, "train, no bench, data prepared": 12}
"""Aims in seconds to the first epoch; 30 elsewhere."""

Stages = dict[str, float]
"""Seconds of each stage; `first epoch` and `done` are counted from the start of the process."""


def run_command(arguments: Sequence[str], home: str) -> Stages:
    """Run a command of the workbench and time the lines it prints."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments],
        env=os.environ | {"WORKBENCH_HOME": home, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    stages: Stages = {}
    lines = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if stage := _STAGE.match(line.strip()):
            stages[stage["name"]] = float(stage["seconds"])
        elif _EPOCH.search(line):
            stages.setdefault("first epoch", time.perf_counter() - began)
    if process.wait():
        sys.exit(f"workbench {' '.join(arguments)} failed:\n{''.join(lines)}")
    return stages | {"done": time.perf_counter() - began}


def time_imports() -> float:
    """Seconds to start Python and import what a client of the bench needs."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import workbench.cli"], check=True)
    return time.perf_counter() - began


def measure(experiment: str, rounds: int) -> dict[str, Stages]:
    """The stages of each command, by its name in the table."""
    train = ["train", experiment, "--epochs", "1"]
    rows: dict[str, Stages] = {}
    with tempfile.TemporaryDirectory() as home:
        rows["train, no bench"] = run_command(train, home)
        kept = [run_command(train, home) for _ in range(min(rounds, 3))]
        rows["train, no bench, data prepared"] = _medians(kept)
    with tempfile.TemporaryDirectory() as home:
        rows["up"] = run_command(["up"], home)
        try:
            rows["train, first on the bench"] = run_command(train, home)
            again = [run_command(train, home) for _ in range(rounds)]
        finally:
            rows["down"] = run_command(["down"], home)
    rows["import workbench.cli"] = {
        "done": statistics.median(time_imports() for _ in range(rounds))
    }
    rows["train, data prepared"] = _medians(again)
    return rows


def _medians(rounds: list[Stages]) -> Stages:
    names = {name for stages in rounds for name in stages}
    return {name: statistics.median(stages.get(name, 0.0) for stages in rounds) for name in names}


def measure_ray_train(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of trainings of one epoch on two workers, and of TorchTrainers that do nothing."""
    from workbench.training import train

    theirs = subprocess.run(
        [sys.executable, "benchmarks/peers/torch_trainer.py", "2"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    experiment = load_experiment("digits_cnn")
    experiment = replace(
        experiment,
        training=replace(experiment.training, epochs=1),
        cluster=replace(experiment.cluster, num_workers=2),
    )
    seconds = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_session(experiment.cluster, home=Path(folder)) as session,
    ):
        prepare(experiment.data, experiment.preparation, session)
        recorder = MlflowRecorder(f"sqlite:///{folder}/mlflow.db")
        for _ in range(rounds):
            began = time.perf_counter()
            train(experiment, session=session, recorder=recorder)
            seconds.append(time.perf_counter() - began)
        recorder.close()
    return seconds, [float(line) for line in theirs.stdout.split()]


def main() -> None:
    parser = report.make_parser(__doc__, rounds=5)
    parser.add_argument("--experiment", default="digits_cnn")
    options = parser.parse_args()
    results = report.Report("startup", "Start to first epoch", options)
    for name, stages in measure(options.experiment, options.rounds).items():
        warm = name == "train, data prepared"
        if "first epoch" in stages:
            limit = _LIMITS.get(name, 30)
            results.add("to the first epoch", name, stages["first epoch"], limit=limit)
        results.add("to the end", name, stages["done"], limit=2 if warm else None)
        for stage, seconds in stages.items():
            if stage not in ("first epoch", "done"):
                results.add(f"stages: {name}", stage, seconds)
    ours, theirs = measure_ray_train(2)
    case = "Ray Train on two workers, everything that is not an epoch"
    results.add(case, "workbench, with its epoch, first", ours[0])
    results.add(case, "TorchTrainer as it comes, first", theirs[0], target=2)
    results.add(f"{case}, again", "workbench, with its epoch", ours[1])
    results.add(f"{case}, again", "TorchTrainer as it comes", theirs[1], target=2)
    results.finish()


if __name__ == "__main__":
    main()
