"""`workbench data list`, `remove` and `prune`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nets.spec import TensorSpec
from workbench.bridge import Prepared, store_arrays
from workbench.cli.commands import app


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    rows = {"features": np.zeros((9, 2), np.float32), "label": np.arange(9)}
    return store_arrays(
        {"train": rows},
        TensorSpec(kind="vector", shape=(2,)),
        labels=None,
        num_outputs=1,
        statistics=None,
        class_counts=None,
    )


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["data", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_prepared_data_is_listed_and_removed(prepared: Prepared) -> None:
    assert "9 train" in run("list")
    (row,) = json.loads(run("list", "--json"))
    assert (row["fingerprint"], row["rows"], row["in_use"]) == (
        prepared.fingerprint,
        {"train": 9},
        False,
    )
    assert f"Removed {prepared.fingerprint}" in run("remove", prepared.fingerprint[:5])
    assert run("list").strip() == "No prepared data is kept here."


def test_pruning_leaves_what_is_in_use(prepared: Prepared) -> None:
    with prepared.splits["train"].open():
        assert "in use" in run("list")
        assert run("prune", "--keep-gb", "0").strip() == "Nothing was removed."
    assert "Removed" in run("prune", "--keep-gb", "0")
