"""From the command to the first epoch, by stage: without a bench, on a fresh one, with data prepared.

    python -m bench.startup [--rounds 5] [--experiment digits_cnn]

Each row is a `workbench train ... --epochs 1` as a person starts it, in a folder of its own; what the
command prints is timed as it comes. The last row is the median of the rounds.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_STAGE = re.compile(r"^(?P<name>.+): done in (?P<seconds>[\d.]+) s$")
_EPOCH = re.compile(r"\bepoch 1/1\b")

Stages = dict[str, float]
"""Stage to seconds; `first epoch` and `done` count from the start of the process."""


def command(arguments: Sequence[str], home: str) -> Stages:
    """Run a command of the workbench and time what it prints."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments],
        env=os.environ | {"WORKBENCH_HOME": home, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    found: Stages = {}
    said = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if stage := _STAGE.match(line.strip()):
            found[stage["name"]] = float(stage["seconds"])
        elif _EPOCH.search(line):
            found.setdefault("first epoch", time.perf_counter() - began)
    if process.wait():
        sys.exit(f"workbench {' '.join(arguments)} failed:\n{''.join(said)}")
    return found | {"done": time.perf_counter() - began}


def imports() -> float:
    """Seconds that Python takes to load what a client of the bench needs."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import workbench.cli"], check=True)
    return time.perf_counter() - began


def measured(experiment: str, rounds: int) -> dict[str, Stages]:
    """Rows of the table: what was done, and its stages."""
    train = ["train", experiment, "--epochs", "1"]
    rows: dict[str, Stages] = {}
    with tempfile.TemporaryDirectory() as home:
        rows["train, no bench"] = command(train, home)
    with tempfile.TemporaryDirectory() as home:
        rows["up"] = command(["up"], home)
        try:
            rows["train, first on the bench"] = command(train, home)
            again = [command(train, home) for _ in range(rounds)]
        finally:
            rows["down"] = command(["down"], home)
    rows["import workbench.cli"] = {"done": statistics.median(imports() for _ in range(rounds))}
    names = {name for stages in again for name in stages}
    rows["train, data prepared"] = {
        name: statistics.median(stages.get(name, 0.0) for stages in again) for name in names
    }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--experiment", default="digits_cnn")
    options = parser.parse_args()
    table = Table("what", "first epoch (s)", "done (s)", "stages (s)", title="start-up")
    for name, stages in measured(options.experiment, options.rounds).items():
        rest = {key: value for key, value in stages.items() if key not in ("first epoch", "done")}
        first = stages.get("first epoch")
        table.add_row(
            name,
            "" if first is None else f"{first:.2f}",
            f"{stages['done']:.2f}",
            "\n".join(f"{key} {value:.1f}" for key, value in rest.items()),
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
