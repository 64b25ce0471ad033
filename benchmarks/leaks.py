"""What a session still holds after 20 trainings and 200 trials: memory, handles, processes, objects.

    python -m benchmarks.leaks                 5 rounds of 4 trainings and a sweep of 40 trials
    python -m benchmarks.leaks --rounds 10

The first row is a session that has done a round already: libraries are loaded, processes warm.
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
    """What a session holds while nothing runs in it."""

    driver_mb: float
    """Memory of this process that is its own, in MB."""
    others_mb: float
    """The same of all processes that it has started, together."""
    handles: int
    """Files, sockets and pipes that all of them have open."""
    threads: int
    """Of this process."""
    processes: int
    """That it has started."""
    objects_mb: float
    """In Ray's object store."""
    files: int
    """Below the home folder, without logs and the tracking store."""


def look(session: Session, home: Path, wait_s: float = 30) -> Footprint:
    """The footprint when as few processes are left as get by: Ray ends idle ones after a while."""
    # `processes` is settled when it has not changed for some seconds.
    me, end = psutil.Process(), time.monotonic() + wait_s
    count, since = -1, time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < 4:
        now = len(me.children(recursive=True))
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.2)
    family = me.children(recursive=True)
    found = re.search(
        r"Plasma memory usage (\d+) MiB", memory_summary(session.ray_address, stats_only=True)
    )
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
        objects_mb=float(found[1]) if found else float("nan"),
        files=sum(path.is_file() for path in _kept(home)),
    )


def _kept(home: Path) -> Iterator[Path]:
    for part in ("checkpoints", "spark", "spark-warehouse"):
        yield from (home / part).rglob("*")


def work(session: Session, recorder: Recorder, trainings: int, trials: int, seed: int) -> None:
    """Trainings of an epoch each, then a sweep; every other training on rows of another split."""
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
    options = report.parser(__doc__).parse_args()
    found = report.Report("leaks", "What a session holds after trainings and trials", options)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        recorder = MlflowRecorder(f"sqlite:///{home / 'mlflow.db'}")
        with open_session(ClusterConfig(), home=home) as session:
            for done in range(options.rounds + 1):
                work(session, recorder, TRAININGS, TRIALS, seed=100 * done)
                held = look(session, home_folder())
                way = f"{done * TRAININGS} trainings, {done * TRIALS} trials later"
                for name, value in asdict(held).items():
                    found.add(name, way, value, "MB" if name.endswith("_mb") else "")
                print(way, held, flush=True)
        recorder.close()
    found.finish()


if __name__ == "__main__":
    main()
