"""Settings of folders that would be ignored, and folders that are not there, are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nets import ConfigError
from tests.workbench.data.test_more_kinds import images, layout_of
from workbench.data.sources import ImageFolderSource
from workbench.errors import DataError


def test_classes_in_names_below_folders_of_splits(tmp_path: Path) -> None:
    images(tmp_path / "pets" / "test", name="dog.{}.png")
    images(tmp_path / "pets" / "train", name="cat.{}.png")
    pattern = r"([a-z]+)\.\d"
    layout = layout_of(tmp_path, class_pattern=pattern)
    assert {(one.label, one.split) for one in layout.pictures} == {
        ("dog", "test"),
        ("cat", "train"),
    }
    with pytest.raises(DataError, match=r"'\(cow\)' finds a class in no path, such as pets/"):
        layout_of(tmp_path, class_pattern="(cow)")
    with pytest.raises(DataError, match="splits names part9, and no such folders"):
        layout_of(tmp_path, class_pattern=pattern, splits={"train": "train", "part9": "test"})


def test_every_folder_that_the_splits_name_must_be_there(tmp_path: Path) -> None:
    for part in ("part1", "part2"):
        for name in ("cat", "dog"):
            images(tmp_path / part / name, 2)
    with pytest.raises(DataError, match="splits names part3, and no such folders"):
        layout_of(tmp_path, splits={"part1": "train", "part3": "test"})


def test_settings_of_classes_that_would_change_nothing_are_refused() -> None:
    for settings, message in (
        ({"table": "t.csv", "class_level": 1}, "one of table, class_pattern and class_level"),
        ({"class_pattern": "(a)", "class_level": 1}, "got class_pattern and class_level"),
        ({"table": "t.csv", "splits": {"a": "test"}}, "splits is of folders"),
        ({"class_pattern": "(a)", "label": "x"}, "label is of a table"),
    ):
        with pytest.raises(ConfigError, match=message):
            ImageFolderSource(path="x", **settings)  # type: ignore[arg-type]
