"""The files of a run, shown and downloaded in the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.workbench.ui.fill import open_recorder
from tests.workbench.ui.test_pages import Runs, checked, open_page, text
from workbench.ui import run_files, store


def choose(at: AppTest, name: str) -> AppTest:
    box = at.selectbox(key="file")
    chosen = next(option for option in box.options if option.split("  ·  ")[0] == name)
    return checked(box.set_value(chosen).run())


@pytest.fixture
def page(runs: Runs) -> AppTest:
    return open_page("run", run=runs["cnn"], part="Reproduce")


def test_the_code_of_the_net_is_folded_away(page: AppTest, runs: Runs) -> None:
    code = [n for n in store.artifact_names(runs["cnn"]) if n.startswith("model/code/")]
    box = page.selectbox(key="file")
    assert len(code) > 50 and not any("model/code/" in option for option in box.options)
    toggle = page.toggle(key="code_files")
    assert str(len(code)) in toggle.label
    at = checked(toggle.set_value(True).run())
    chosen = next(name for name in code if name.endswith("nets/rnn.py"))
    at = choose(at, chosen)
    assert any("class " in block.value and block.language == "python" for block in at.code)


def test_each_kind_of_file_is_shown_as_what_it_is(page: AppTest, runs: Runs) -> None:
    at = choose(page, "experiment.json")
    assert '"digits_cnn"' in at.json[-1].value
    at = choose(at, "evaluation/predictions.parquet")
    assert "of 497 rows" in text(at)
    assert len(at.dataframe[-1].value) == 100
    at = choose(at, "checkpoints/epoch_0004.safetensors")
    tensors = at.dataframe[-1].value.set_index("tensor")
    assert tensors.loc["body.blocks.0.conv.weight", "shape"] == "16 × 1 × 3 × 3"
    at = choose(at, "model/MLmodel")
    assert any("flavors:" in block.value for block in at.code)


def test_a_damaged_file_is_named_and_can_still_be_had(
    empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / "half.json").write_text('{"a": ')
    (folder / "bytes.bin").write_bytes(b"\0\1")
    recorder = open_recorder(empty_store)
    run_id = recorder.start("files", "damaged", params={}, tags={"workbench.kind": "train"})
    recorder.artifact_dir(run_id, folder)
    recorder.finish(run_id)
    recorder.flush()
    at = choose(open_page("run", run=run_id, part="Reproduce"), "half.json")
    assert "half.json cannot be shown" in text(at)
    assert any(button.label == "Download" for button in at.get("download_button"))
    assert "Not a text" in text(choose(at, "bytes.bin"))


def test_a_large_file_is_not_fetched(
    page: AppTest, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_files, "_FETCHED", 10)
    at = choose(page, "experiment.json")
    assert f"mlflow artifacts download -r {runs['cnn']} -a experiment.json" in text(at)
    assert not any(button.label == "Download" for button in at.get("download_button"))
