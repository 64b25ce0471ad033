"""How the cost grows at 1x, 4x and 16x the data, trials or runs, and where it grows faster than they do.

    python -m benchmarks.growth [--rounds 3] [--only bridge]

The parts are measured one after another in one warm session. The cost of one more item from 1x to 4x is
the difference of the two times, divided by the difference of the items, so a fixed cost does not count.
A part is linear if, from 4x to 16x, one more item costs at most 1.25 times the average item at 4x. The
plot (benchmarks/results/growth.svg) shows the time per item: a fixed cost falls, a linear cost is flat.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import nets
from benchmarks import bridge, recording, report, scoring, sweep, table
from benchmarks.cases import DIGITS
from benchmarks.noise import noise_data
from workbench.cluster import ClusterConfig, Session, open_session
from workbench.experiments.experiment import Experiment
from workbench.scoring import score
from workbench.training import train

FACTORS = (1, 4, 16)
LINEAR = 1.25
Make = Callable[[int, Session, Path], Callable[[], object]]
"""(number of items, session, an empty folder) -> a call that works on that many items."""


def make_bridge(count: int, session: Session, folder: Path) -> Callable[[], object]:
    """Pictures from a DataFrame in Spark's cache to tensors."""
    spec = bridge.CASES["pictures"][1]
    frame = session.spark.read.parquet(
        bridge.write_rows(folder / "rows", count, spec).as_uri()
    ).persist()
    frame.count()
    return bridge.make_ways(frame, count, spec)["workbench"]


def make_training(count: int, session: Session, folder: Path) -> Callable[[], object]:
    """One epoch over `count` digits, with everything around it."""
    case = replace(DIGITS, rows=count)
    prepared = noise_data(case)
    experiment = Experiment(
        name="benchmark",
        preparation=nets.PreparationConfig(method="none"),
        net=case.net,
        training=replace(case.config, epochs=1),
    )
    return lambda: train(experiment, session=session, prepared=prepared)


def make_sweep(count: int, session: Session, folder: Path) -> Callable[[], object]:
    """`count` trials of digits_cnn, an epoch each."""
    return partial(
        sweep.make_workbench_sweep(session, f"sqlite:///{folder}/mlflow.db", epochs=1), count
    )


def make_scoring(count: int, session: Session, folder: Path) -> Callable[[], object]:
    """A small CNN over `count` pictures in Spark's cache."""
    net = nets.build(scoring.NETS["small CNN"], scoring.SPEC, 10)
    nets.save(net, folder / "net", labels=list("0123456789"))
    pictures = np.random.default_rng(0).integers(0, 256, (count, *scoring.SPEC.shape), np.uint8)
    frame = scoring.cache_pictures(session.spark, pictures, folder / "rows", 2)
    return scoring.make_noop(score(frame, folder / "net"))


def make_recording(count: int, session: Session, folder: Path) -> Callable[[], object]:
    """`count` runs of ten steps, into a store that has the runs of the rounds before."""
    return lambda: recording.ours(f"sqlite:///{folder}/mlflow.db", count, 10)


PARTS: dict[str, tuple[str, int, Make]] = {
    "bridge": ("rows", 6_000, make_bridge),
    "training": ("rows", 1_437, make_training),
    "sweep": ("trials", 4, make_sweep),
    "scoring": ("rows", 2_500, make_scoring),
    "recording": ("runs", 10, make_recording),
}


def measure(part: str, session: Session, rounds: int) -> dict[int, list[float]]:
    """Seconds of each round, by the number of items."""
    _, base, make = PARTS[part]
    with tempfile.TemporaryDirectory() as name:
        ways = {}
        for factor in FACTORS:
            folder = Path(name) / str(factor)
            folder.mkdir()
            ways[str(factor * base)] = make(factor * base, session, folder)
        times = report.run_interleaved(ways, rounds)
        session.spark.catalog.clearCache()
        session.end_idle_workers()
    return {int(count): seconds for count, seconds in times.items()}


def step_costs(times: dict[int, list[float]]) -> list[float]:
    """Cost of one more item between each size and the next, in seconds."""
    medians = {count: statistics.median(seconds) for count, seconds in times.items()}
    return [
        (medians[more] - medians[less]) / (more - less)
        for less, more in itertools.pairwise(medians)
    ]


def plot(times_by_part: dict[str, dict[int, list[float]]], path: Path) -> None:
    """Plot the time per item relative to that at 1x; both axes are logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "growth", "svg.fonttype": "none"}
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    for (part, times), mark in zip(times_by_part.items(), "osD^v", strict=False):
        each = [statistics.median(seconds) / count for count, seconds in times.items()]
        axes.plot(FACTORS, [value / each[0] for value in each], marker=mark, label=part)
    axes.set(xscale="log", yscale="log", xlabel="data, trials or runs", ylabel="time per item")
    axes.set_xticks(FACTORS, [f"{factor}×" for factor in FACTORS])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:.1g}")
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.axhline(1, color="0.7", linewidth=1, zorder=0)
    axes.legend(frameon=False, ncols=2)
    figure.savefig(path, metadata={"Date": None})


def add_rows(results: report.Report, part: str, times: dict[int, list[float]]) -> None:
    for count, seconds in times.items():
        results.add(part, f"{count:,} {PARTS[part][0]}", seconds)
    first, second = step_costs(times)
    results.add(f"{part}, one more", "from 1x to 4x", 1e3 * first, "ms")
    each = list(times)[1]  # the average at 4x: a fixed cost may hide the step before
    average = statistics.median(times[each]) / each
    note = "linear" if second <= LINEAR * average else "not linear any more"
    results.add(f"{part}, one more", "from 4x to 16x", 1e3 * second, "ms", note=note)


def main() -> None:
    parser = report.make_parser(__doc__, rounds=3)
    parser.add_argument("--only", choices=PARTS, help="one part")
    options = parser.parse_args()
    results = report.Report("growth", "How the cost grows", options)
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        with open_session(ClusterConfig(), home=Path(folder)) as session:
            for part in [options.only] if options.only else PARTS:
                measured[part] = measure(part, session, options.rounds)
                add_rows(results, part, measured[part])
    results.finish()
    if results.keep and not options.only:
        plot(measured, table.RESULTS / "growth.svg")


if __name__ == "__main__":
    main()
