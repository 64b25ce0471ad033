"""The frame of every benchmark: interleaved runs, a table with ratios, the machine, a JSON file.

    options = report.parser(__doc__).parse_args()        # --rounds, --no-keep
    found = report.Report("bridge", "Spark DataFrame to tensors", options)
    times = report.interleaved({"ours": ours, "from_spark": theirs}, options.rounds)
    found.add("184 MB of pictures", "ours", times["ours"])
    found.add("184 MB of pictures", "from_spark", times["from_spark"], target=2)
    found.finish()                                       # prints, writes benchmarks/results/bridge.json

The first row of a case is the one that the others of that case are compared with.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import machine, table


def parser(doc: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """The options of every benchmark; the first line of its docstring is what `--help` says."""
    made = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    made.add_argument("--rounds", type=int, default=rounds, help="of which the median counts")
    made.add_argument("--no-keep", action="store_true", help="leave benchmarks/results as it is")
    return made


def interleaved(
    ways: Mapping[str, Callable[[], object]], rounds: int, *, warm: int = 1
) -> dict[str, list[float]]:
    """Seconds of each way, in turn and every other round backwards: all meet the same noise.

    A way that returns a float is taken at its word: it timed itself, or measured something else.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-warm, rounds):
        for name in list(ways) if number % 2 == 0 else list(ways)[::-1]:
            began = time.perf_counter()
            said = ways[name]()
            took = said if isinstance(said, float) else time.perf_counter() - began
            if number >= 0:
                found[name].append(took)
    return found


def lasting(call: Callable[[], object], seconds: float = 0.7) -> Callable[[], float]:
    """A way that takes long enough to be timed: seconds per call over as many as fill `seconds`."""

    def run() -> float:
        began, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - began < seconds:
            call()
            done += 1
        return (time.perf_counter() - began) / done

    return run


class Report:
    """Rows as they are measured; then a table and a file."""

    def __init__(self, name: str, what: str, options: argparse.Namespace) -> None:
        self.keep = not options.no_keep
        self.rows: list[dict[str, Any]] = []
        self.head = {
            "name": name,
            "what": what,
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "commit": machine.commit(),
            "machine": machine.describe(),
            "options": {key: value for key, value in vars(options).items() if key != "no_keep"},
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
        """A row of a case.

        Args:
            unit: of the values; more is better where it ends in "/s", otherwise less.
            target: how many times as good as this row the first row of the case has to be, at least.
            limit: the most that this row may be (the least, where more is better).
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
        """A way that cannot be measured here."""
        self.rows.append({"case": case, "way": way, "median": None, "unit": "", "note": reason})

    def finish(self) -> None:
        """Print the table; write the file, unless `--no-keep`."""
        kept = self.head | {"rows": self.rows}
        table.show(kept)
        if self.keep:
            table.RESULTS.mkdir(exist_ok=True)
            text = json.dumps(kept, indent=1, default=str)
            (table.RESULTS / f"{self.head['name']}.json").write_text(text + "\n")
