"""The tutorials run as they are, in a real kernel; they are kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.ipynb"))
ON_THE_SHARED_SESSION = [path for path in NOTEBOOKS if path.stem == "inside-an-rnn"]
IN_A_KERNEL = [path for path in NOTEBOOKS if path not in ON_THE_SHARED_SESSION]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count] == []
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(900)  # a slow machine is no fault of the code
@pytest.mark.parametrize("path", IN_A_KERNEL, ids=lambda path: path.stem)
def test_a_tutorial_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    pictures = [each for each in outputs if "image/png" in each.get("data", {})]
    figures = [cell for cell in notebook.cells if cell.source.startswith("result.curves()")]
    assert len(pictures) >= 1 and figures
