"""Samples that a person marked in the browser: a file of corrections for each data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workbench.data import Correction, read_corrections, write_corrections
from workbench.errors import DataError
from workbench.home import corrections_folder
from workbench.ui import store


def file_of(run: store.Run) -> Path:
    """The file for the data of a run."""
    return corrections_folder() / f"{run.tags.get('workbench.fingerprint', 'unknown')}.csv"


def read(run: store.Run) -> dict[str, Correction]:
    """The marks; before the first one, the corrections that the run's own data was trained with."""
    file = file_of(run)
    if file.is_file():
        return read_corrections(str(file))
    own = run.params.get("data.corrections", "None")
    try:
        return {} if own in ("None", "null", "") else read_corrections(own)
    except DataError:  # it was moved: its rows are not in this data any more
        return {}


def mark(run: store.Run, marked: Mapping[str, Correction | None]) -> None:
    """Set the corrections of some samples; None takes one back."""
    every = {**read(run), **marked}
    write_corrections(file_of(run), {key: one for key, one in every.items() if one is not None})


def describe(one: Correction | None) -> str:
    """What a table shows."""
    if one is None:
        return ""
    return "leave out" if one.action == "exclude" else f"is {one.label}"
