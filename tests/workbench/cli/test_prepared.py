"""`workbench data list`, `remove` and `prune`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nets.spec import TensorSpec
from workbench.bridge import Prepared, find, store_arrays
from workbench.bridge.store import DESCRIPTION
from workbench.cli.commands import app


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    return write_store(9)


def write_store(count: int, storage: Path | None = None) -> Prepared:
    rows = {"features": np.zeros((count, 2), np.float32), "label": np.arange(count)}
    return store_arrays(
        {"train": rows},
        TensorSpec(kind="vector", shape=(2,)),
        storage=None if storage is None else str(storage),
        labels=None,
        num_outputs=1,
        statistics=None,
        class_counts=None,
    )


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["data", *words])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split()) if code else result.output


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


def test_shared_data_is_listed_removed_and_pruned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    shared = tmp_path / "shared"
    storage = ("--storage", str(shared))
    shared.mkdir()
    assert run("list", *storage).strip() == "No prepared data is kept there."
    first, second = write_store(9, shared), write_store(7, shared)
    kept = json.loads(run("list", *storage, "--json"))
    assert {row["fingerprint"].partition("-")[0]: row["rows"]["train"] for row in kept} == {
        first.fingerprint: 9,
        second.fingerprint: 7,
    }
    assert all(row["current"] for row in kept)

    assert "is not among" in run("remove", "nothing", *storage, code=3)
    assert "from cluster.storage" in run("remove", first.fingerprint, *storage)
    assert find(first.fingerprint, str(shared)) is None
    assert find(second.fingerprint, str(shared)) is not None

    assert "give --keep-gb" in run("prune", *storage, code=2)
    assert run("prune", *storage, "--keep-gb", "1").strip() == "Nothing was removed."
    assert second.fingerprint in run("prune", *storage, "--keep-gb", "0")
    assert find(second.fingerprint, str(shared)) is None


def test_data_of_another_version_is_pruned_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    shared = tmp_path / "shared"
    other = write_store(9, shared)
    (written,) = shared.glob(f"prepared/*/{DESCRIPTION}")
    content = json.loads(written.read_text())
    written.write_text(json.dumps(content | {"code": "of an older program"}))
    current = write_store(7, shared)
    (row,) = [
        row
        for row in json.loads(run("list", "--storage", str(shared), "--json"))
        if not row["current"]
    ]
    assert row["fingerprint"].startswith(other.fingerprint)
    bound = str((row["bytes"] + 10) / 1e9)  # one of the two
    assert other.fingerprint in run("prune", "--storage", str(shared), "--keep-gb", bound)
    assert find(current.fingerprint, str(shared)) is not None
