"""Results on standard output: tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def out() -> Console:
    """Standard output; wide lines when it is not a terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def err() -> Console:
    """Standard error: for progress and errors, so that standard output has only the result."""
    return Console(stderr=True, highlight=False)


@contextmanager
def progress_console() -> Iterator[Console]:
    """Standard error through a descriptor of its own.

    In a session, descriptors 1 and 2 lead to the log, and a thread that draws the display must still
    reach the terminal.
    """
    try:
        direct = sys.stderr.fileno() == 2
    except (OSError, AttributeError, io.UnsupportedOperation):
        direct = False
    if not direct:  # captured, by a test or by a program around this one
        yield err()
        return
    with open(os.dup(2), "w", encoding=sys.stderr.encoding, errors="replace", buffering=1) as file:
        yield Console(file=file, highlight=False)


def print_json(value: Any) -> None:
    """Print one JSON document; NaN and infinity become null."""
    sys.stdout.write(json.dumps(_to_json(value), indent=2, allow_nan=False) + "\n")


def _to_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | bool | None):
        return value
    return str(value)


def plain_table(*headings: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines; columns in `right` are aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def pairs(values: Mapping[str, Any]) -> Table:
    """Names and values, one pair per line."""
    grid = Table.grid(padding=(0, 2))
    for name, value in values.items():
        grid.add_row(Text(f"  {name}"), Text(str(value), "bold"))
    return grid


def program() -> str:
    """The command that runs this program: `workbench`, or its path when it is not on PATH."""
    if shutil.which("workbench"):
        return "workbench"
    path = Path(sys.argv[0])
    return os.path.relpath(path) if path.name == "workbench" and path.exists() else "workbench"


def viewers() -> dict[str, str]:
    """The commands that open pages in the browser, with what each shows."""
    make = Path("Makefile").is_file() and "mlflow:" in Path("Makefile").read_text(errors="ignore")
    return {
        "make ui" if make else f"{program()} ui": "compare the runs and look inside the nets",
        "make mlflow" if make else f"{program()} mlflow": "MLflow's own pages on the same runs",
    }
