"""The tutorials run as they are, and the outputs that they are kept with are of their own cells."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

MANUAL = Path(__file__).parents[1] / "docs" / "manual"
NOTEBOOKS = sorted((MANUAL.parent / "tutorials").glob("*.ipynb"))
KERNEL = ("a-cluster", "your-own-net", "your-own-spark")
"""They start a Spark of their own, or write a file from a cell."""
IN_A_KERNEL = [path for path in NOTEBOOKS if path.stem in KERNEL]
"""`tests/workbench/test_docs_in_a_session.py` runs the others."""
ON_THE_SHARED_SESSION = [path for path in NOTEBOOKS if path not in IN_A_KERNEL]
_MOST_BYTES = 1_000_000


def load_runner() -> Any:
    """The program that runs tutorials, which lies outside of the packages."""
    spec = importlib.util.spec_from_file_location("tutorials", MANUAL / "tutorials.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draws(cell: Any) -> bool:
    """Whether a cell was kept with a picture."""
    return any("image/png" in each.get("data", {}) for each in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_has_the_outputs_of_its_cells(path: Path) -> None:
    runner = load_runner()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# ")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    changed = [c.source for c in code if c.metadata.get("run_source") != runner.digest(c.source)]
    assert changed == [], f"run python docs/manual/tutorials.py {path.stem}"
    outputs = json.dumps([cell.outputs for cell in code])
    assert '"output_type": "error"' not in outputs
    assert [place for place in ("/tmp/", "/root/", "/home/") if place in outputs] == []
    assert any(cell.outputs for cell in code)
    assert path.stat().st_size < _MOST_BYTES


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(900)  # a slow machine is no fault of the code
@pytest.mark.parametrize("path", IN_A_KERNEL, ids=lambda path: path.stem)
def test_a_tutorial_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", "")  # the runner sets it
    kept = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    ran = [cell for cell in load_runner().run(path).cells if cell.cell_type == "code"]
    assert [draws(cell) for cell in ran] == [draws(cell) for cell in kept]
