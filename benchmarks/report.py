"""What all benchmarks share: runs in turn, a table with ratios, the machine, a JSON file.

    options = report.make_parser(__doc__).parse_args()   # --rounds, --no-keep
    results = report.Report("bridge", "Spark DataFrame to tensors", options)
    times = report.run_interleaved({"ours": ours, "from_spark": theirs}, options.rounds)
    results.add("184 MB of pictures", "ours", times["ours"])
    results.add("184 MB of pictures", "from_spark", times["from_spark"], target=2)
    results.finish()   # prints the table, writes benchmarks/results/bridge.json

The other rows of a case are compared with its first row.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, table


def make_parser(doc: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that all benchmarks have; `--help` shows the first line of `doc`."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="the median of them counts")
    parser.add_argument("--no-keep", action="store_true", help="leave benchmarks/results as it is")
    return parser


def run_interleaved(
    ways: Mapping[str, Callable[[], object]], rounds: int, *, warm: int = 1
) -> dict[str, list[float]]:
    """Seconds of each way in each round; every other round runs backwards, so all meet the same noise.

    Where a way returns a float, that is its value instead: it timed itself, or measured something else.
    """
    values: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-warm, rounds):
        for name in list(ways) if number % 2 == 0 else list(ways)[::-1]:
            began = time.perf_counter()
            value = ways[name]()
            took = value if isinstance(value, float) else time.perf_counter() - began
            if number >= 0:
                values[name].append(took)
    return values


def repeat_for(call: Callable[[], object], seconds: float = 0.7) -> Callable[[], float]:
    """A way that repeats `call` for `seconds` and returns the seconds per call."""

    def run() -> float:
        began, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - began < seconds:
            call()
            done += 1
        return (time.perf_counter() - began) / done

    return run


def run_alone(module: str, *arguments: object, **started: Any) -> dict[str, float]:
    """Run a benchmark's module in a process of its own; the JSON of the last line that it prints.

    Args:
        started: of `subprocess.run`, such as the environment.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    reply = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **started)
    found: dict[str, float] = json.loads(reply.stdout.splitlines()[-1])
    return found


class Report:
    """Collects rows; prints them as a table and writes them to a file."""

    def __init__(self, name: str, what: str, options: argparse.Namespace) -> None:
        self.keep = not options.no_keep
        self.rows: list[dict[str, Any]] = []
        self.head = {
            "name": name,
            "what": what,
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "commit": machine.commit(),
            "machine": machine.describe(),
            # Of a folder its name: where it lies on this machine says nothing elsewhere.
            "options": {
                key: value.name if isinstance(value, Path) else value
                for key, value in vars(options).items()
                if key != "no_keep"
            },
        }

    def add(
        self,
        case: str,
        way: str,
        values: float | Sequence[float],
        unit: str = "s",
        *,
        target: float | None = None,
        limit: float | None = None,
        note: str = "",
    ) -> None:
        """Add a row to a case.

        Args:
            unit: of the values; more is better where it ends in "/s", otherwise less.
            target: the first row of the case must be at least this many times as good as this row.
            limit: the largest value allowed (the smallest, where more is better).
        """
        values = list(values) if isinstance(values, Sequence) else [values]
        row: dict[str, Any] = {"case": case, "way": way, "median": statistics.median(values)}
        row |= {"unit": unit, "target": target, "limit": limit, "note": note, "values": values}
        more, median = unit.endswith("/s"), row["median"]
        first = next((r for r in self.rows if r["case"] == case), {"unit": None})
        if first["unit"] == unit and first["median"] and median:
            row["ratio"] = first["median"] / median if more else median / first["median"]
        too_little = target is not None and row.get("ratio", target) < target
        row["missed"] = too_little or (
            limit is not None and (median < limit if more else median > limit)
        )
        self.rows.append(row)
        print(f"{case}: {way}: {table.figure(median)} {unit}", file=sys.stderr, flush=True)

    def skip(self, case: str, way: str, reason: str) -> None:
        """Add a way that cannot be measured here."""
        self.rows.append({"case": case, "way": way, "median": None, "unit": "", "note": reason})

    def finish(self) -> None:
        """Print the table and write the file, unless `--no-keep`."""
        report = self.head | {"rows": self.rows}
        table.show(report)
        if self.keep:
            table.RESULTS.mkdir(exist_ok=True)
            text = json.dumps(report, indent=1, default=str)
            (table.RESULTS / f"{self.head['name']}.json").write_text(text + "\n")
