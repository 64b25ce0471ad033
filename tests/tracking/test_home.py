from __future__ import annotations

from pathlib import Path

import pytest

from tracking import home_folder


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_unset_variable_means_a_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKBENCH_HOME")
    assert home_folder() == tmp_path / ".workbench"


@pytest.mark.parametrize(
    ("value", "folder"), [("", ".workbench"), ("runs", "runs"), ("./a/../b", "b"), (".", "")]
)
def test_empty_and_relative_values_become_absolute(
    value: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", value)
    assert home_folder() == tmp_path / folder


def test_an_absolute_value_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", "/data/workbench")
    assert home_folder() == Path("/data/workbench")


def test_the_folder_is_not_created(tmp_path: Path) -> None:
    home_folder()
    assert not list(tmp_path.iterdir())
