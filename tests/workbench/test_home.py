from __future__ import annotations

from pathlib import Path

import pytest

from workbench import home


@pytest.mark.parametrize("value", [None, "", "runs", "/data/workbench"])
def test_all_parts_lie_below_one_folder(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    if value is None:
        monkeypatch.delenv("WORKBENCH_HOME")
    else:
        monkeypatch.setenv("WORKBENCH_HOME", value)
    folder = tmp_path / (value or ".workbench")
    assert home.logs_folder() == folder / "logs"
    assert home.jobs_folder() == folder / "jobs"
    assert home.bench_folder() == folder / "bench"
    assert home.checkpoints_folder() == folder / "checkpoints"
    assert home.data_folder() == folder / "data"


def test_a_home_that_is_named_replaces_the_default(tmp_path: Path) -> None:
    assert home.logs_folder(tmp_path) == tmp_path / "logs"
    assert home.jobs_folder(tmp_path) == tmp_path / "jobs"
    assert home.bench_folder(tmp_path) == tmp_path / "bench"


@pytest.mark.parametrize(
    ("value", "folder"),
    [("", ".workbench/data"), ("sets", "sets"), ("/sets", "/sets"), ("~/sets", "me/sets")],
)
def test_data_sets_may_have_a_folder_of_their_own(
    value: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("WORKBENCH_HOME", "")
    monkeypatch.setenv("WORKBENCH_DATA", value)
    assert home.data_folder() == tmp_path / folder
