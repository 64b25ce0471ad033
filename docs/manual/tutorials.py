"""Runs the tutorials and keeps their outputs: `python docs/manual/tutorials.py [NAME ...]`.

Each runs as it is in a kernel of this environment, in an empty folder with a store of its own. The outputs
are written into the notebook, so that they are seen where nothing runs: in the manual, and on GitHub.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "tutorials"
SOURCE = "run_source"
"""Entry of a cell's metadata: a digest of the source that its outputs are of."""


def digest(source: str) -> str:
    """8 hex digits of a cell's source."""
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def run(path: Path, *, timeout_s: int = 600) -> nbformat.NotebookNode:
    """Run a notebook.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(prefix="tutorial-") as folder:
        os.environ["WORKBENCH_HOME"] = f"{folder}/home"
        where = {"metadata": {"path": folder}}
        NotebookClient(
            notebook, timeout=timeout_s, kernel_name="python3", resources=where
        ).execute()
    for cell in notebook.cells:  # a path of this machine says nothing elsewhere
        for output in cell.get("outputs", []):
            _shorten(output, f"{folder}/")
    return notebook


def _shorten(part: Any, folder: str) -> None:
    """Take the name of the folder out of all texts of an output."""
    for key, value in part.items():
        if isinstance(value, str):
            part[key] = value.replace(folder, "")
        elif isinstance(value, dict):
            _shorten(value, folder)


def keep(notebook: nbformat.NotebookNode) -> None:
    """Leave of a run what a reader sees, and note what it is of."""
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata = {SOURCE: digest(cell.source)}
            # What Java and Ray print is of one machine.
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]


def main(names: list[str]) -> int:
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not names or path.stem in names:
            notebook = run(path)
            keep(notebook)
            nbformat.write(notebook, path)
            print(f"{path.stem}: {path.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
