"""A real kernel: one output a training, however many events there are; an interrupt; a session that stays."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FLOOD = """
from workbench.notebook import Cell
from workbench.notebook.cell import in_notebook
from workbench.progress import TrialNews
assert in_notebook()
with Cell() as progress:
    progress.stage("Reading")
    for epoch in range(1, 501):
        progress.epoch("mine", epoch, 500, {"train/loss": 1 / epoch, "validation/loss": 2 / epoch})
    progress.trial(TrialNews(3, 8, "RUNNING", {"net.activation": "<tanh>"}, {}))
    progress.note("A note.")
"""


def run_notebook(
    cells: list[str], folder: Path, *, interrupt: int | None = None
) -> list[list[dict[str, Any]]]:
    """The outputs of each cell; a cell is interrupted as a notebook's stop button does it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client: Any = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        allow_errors=interrupt is not None,
        resources={"metadata": {"path": str(folder)}},
    )

    def stop() -> None:
        os.killpg(os.getpgid(client.km.provisioner.pid), signal.SIGINT)

    def watch(cell: Any, cell_index: int) -> None:
        if cell_index == interrupt:
            threading.Thread(target=when_training, args=(folder, stop), daemon=True).start()

    client.on_cell_execute = watch
    client.execute()
    return [cell.outputs for cell in notebook.cells]


def when_training(folder: Path, then: Any) -> None:
    """Wait for the file that the cell's own callback writes in its second epoch."""
    for _ in range(2_000):
        if (folder / "second-epoch").exists():
            return then()
        threading.Event().wait(0.1)


@pytest.mark.slow
def test_a_flood_of_events_is_one_output(tmp_path: Path) -> None:
    [outputs] = run_notebook([FLOOD], tmp_path)
    assert [each["output_type"] for each in outputs] == ["display_data"]
    data = outputs[0]["data"]
    assert set(data) == {"text/html", "text/plain"}
    assert "mine: epoch 500 of 500  train/loss 0.002" in data["text/plain"]
    assert "A note." in data["text/plain"] and "0 of 8 trials ended" in data["text/plain"]
    assert data["text/html"].count("<polyline") == 2 and "&lt;tanh&gt;" in data["text/html"]


SESSION = [
    "import pathlib, workbench\nwb = workbench.open()",
    "from workbench.progress import Epoch\nfrom workbench.notebook import Cell\n"
    "plain = Cell.handle\n"
    "def handle(self, event):\n"
    "    if isinstance(event, Epoch) and event.epoch == 2:\n"
    "        pathlib.Path('second-epoch').touch()\n"
    "    plain(self, event)\n"
    "Cell.handle = handle",
    "wb.train('digits_cnn', {'training.epochs': 100_000})",
    "result = wb.train('digits_cnn', {'training.epochs': 2})\nresult",
    "result.mistakes()",
    "wb.sweep('digits_cnn', {'training.epochs': 1, 'sweep.search': 'grid', 'sweep.scheduler':"
    " 'none'}, space={'net.activation': ['relu', 'tanh']})",
    "import warnings\nwarnings.warn('heard')\n[run.status for run in wb.runs()]",
    "wb.close()\nimport ray\nray.is_initialized()",
]


@pytest.mark.cluster
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_session_stays_open_between_cells_and_survives_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    outputs = run_notebook(SESSION, tmp_path, interrupt=2)
    kinds = [[each["output_type"] for each in cell] for cell in outputs]
    # A busy machine may add a line of Ray's to stderr where the worker ends
    shown, error = (each for each in outputs[2] if each.get("name") != "stderr")
    assert shown["output_type"] == "display_data"
    assert error["ename"] == "Interrupted" and len(error["traceback"]) == 1
    assert kinds[3] == ["display_data", "execute_result"]
    assert "best epoch" in outputs[3][1]["data"]["text/plain"]
    assert "image/png" in outputs[4][0]["data"]
    assert kinds[5] == ["display_data", "execute_result"]
    assert "2 of 2 trials ended" in outputs[5][0]["data"]["text/plain"]
    texts = "".join(each.get("text", "") for each in outputs[6])
    assert "heard" in texts
    statuses = outputs[6][-1]["data"]["text/plain"]
    assert statuses == "['FINISHED', 'FINISHED', 'KILLED']"
    assert outputs[7][0]["data"]["text/plain"] == "False"
