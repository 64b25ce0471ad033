"""Prints saved results of benchmarks as tables: python -m benchmarks.table [training] [sweep]"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def show(report: Mapping[str, Any]) -> None:
    """Print a report, as `Report.finish` makes it."""
    try:
        from rich.console import Console
        from rich.table import Table
    except (
        ModuleNotFoundError
    ):  # a machine with torch alone; each row was printed when it was measured
        return

    about = report["machine"]
    caption = f"{about['cpu']}, {about['cores']} cores, {about['memory_gb']} GB; {report['commit']}"
    table = Table(title=report["what"], caption=caption)
    for name in ("case", "way", "median", "lowest..highest", "first is", "aim", ""):
        table.add_column(name, justify="left" if name in ("case", "way", "") else "right")
    last = ""
    for row in report["rows"]:
        if last and row["case"] != last:
            table.add_section()
        table.add_row("" if row["case"] == last else row["case"], *_cells(row))
        last = row["case"]
    Console(width=max(120, Console().width)).print(table)


def _cells(row: Mapping[str, Any]) -> list[str]:
    if row["median"] is None:
        return [row["way"], "", "", "", "", row["note"]]
    values, unit, aim = row["values"], row["unit"], ""
    brief = unit == "s" and max(values) < 0.1
    factor, unit = (1000, "ms") if brief else (1, unit)
    if row["target"] is not None:
        aim = f"≥ {row['target']:g} ×"
    elif row["limit"] is not None:
        aim = f"{'≥' if unit.endswith('/s') else '≤'} {figure(factor * row['limit'])}"
    return [
        row["way"],
        f"{figure(factor * row['median'])} {unit}",
        f"{figure(factor * min(values))}..{figure(factor * max(values))}" if values[1:] else "",
        f"{row['ratio']:.2f} ×" if "ratio" in row else "",
        aim,
        f"{'MISSED ' * row['missed']}{row['note']}",
    ]


def figure(value: float) -> str:
    """Three significant digits, with thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> None:
    names = sys.argv[1:] or sorted(path.stem for path in RESULTS.glob("*.json"))
    for name in names:
        show(json.loads((RESULTS / f"{name}.json").read_text()))


if __name__ == "__main__":
    main()
