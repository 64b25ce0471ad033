"""What a session still holds after 20 trainings and 200 trials: memory, handles, processes, objects.

    python -m benchmarks.leaks                 5 rounds of 4 trainings and a sweep of 40 trials
    python -m benchmarks.leaks --rounds 10

The first row is taken after one round: libraries are loaded and processes are warm.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
from ray._private.internal_api import memory_summary

from benchmarks import report
from tracking import MlflowRecorder, Recorder
from workbench.cluster import ClusterConfig, Session, open_session
from workbench.experiments import load_experiment
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.home import home_folder
from workbench.sweeps.driver import sweep
from workbench.training import train

TRAININGS, TRIALS = 4, 40


@dataclass(frozen=True)
class Footprint:
    """What a session holds while it is idle."""

    driver_mb: float
    """Memory of this process alone (unique set size), in MB."""
    others_mb: float
    """The same for all its child processes together."""
    handles: int
    """Open files, sockets and pipes of all processes."""
    threads: int
    """Of this process."""
    processes: int
    """Child processes."""
    objects_mb: float
    """In Ray's object store."""
    files: int
    """Below the home folder, without logs and the tracking store."""


def measure_footprint(session: Session, home: Path, wait_s: float = 30) -> Footprint:
    """Measure after the number of processes has settled: Ray ends idle ones after a while."""
    me, end = psutil.Process(), time.monotonic() + wait_s
    count, since = -1, time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < 4:
        now = len(me.children(recursive=True))
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.2)
    family = me.children(recursive=True)
    summary = memory_summary(session.ray_address, stats_only=True)
    plasma = re.search(r"Plasma memory usage (\d+) MiB", summary)
    handles, others = me.num_fds(), 0.0
    for process in family:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            handles += process.num_fds()
            others += process.memory_full_info().uss / 1e6
    return Footprint(
        driver_mb=me.memory_full_info().uss / 1e6,
        others_mb=others,
        handles=handles,
        threads=me.num_threads(),
        processes=len(family),
        objects_mb=float(plasma[1]) if plasma else float("nan"),
        files=sum(path.is_file() for path in _list_files(home)),
    )


def _list_files(home: Path) -> Iterator[Path]:
    for part in ("checkpoints", "spark", "spark-warehouse"):
        yield from (home / part).rglob("*")


def work(session: Session, recorder: Recorder, trainings: int, trials: int, seed: int) -> None:
    """Run trainings of one epoch each, then a sweep."""
    digits = load_experiment("digits_cnn")
    digits = replace(digits, training=replace(digits.training, epochs=1))
    for number in range(trainings):
        train(
            replace(digits, training=replace(digits.training, seed=seed + number)),
            session=session,
            recorder=recorder,
        )
    space = {
        "training.learning_rate": Uniform(low=1e-4, high=1e-2, log=True),
        "training.batch_size": Choice(values=(64, 128)),
    }
    config = SweepConfig(
        space=space, num_trials=trials, search="random", scheduler="none", seed=seed, keep=1
    )
    sweep(replace(digits, sweep=config), session=session, recorder=recorder)


def main() -> None:
    options = report.make_parser(__doc__).parse_args()
    results = report.Report("leaks", "What a session holds after trainings and trials", options)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        recorder = MlflowRecorder(f"sqlite:///{home / 'mlflow.db'}")
        with open_session(ClusterConfig(), home=home) as session:
            for done in range(options.rounds + 1):
                work(session, recorder, TRAININGS, TRIALS, seed=100 * done)
                footprint = measure_footprint(session, home_folder())
                way = f"{done * TRAININGS} trainings, {done * TRIALS} trials later"
                for name, value in asdict(footprint).items():
                    results.add(name, way, value, "MB" if name.endswith("_mb") else "")
                print(way, footprint, flush=True)
        recorder.close()
    results.finish()


if __name__ == "__main__":
    main()
