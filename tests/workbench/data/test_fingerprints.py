"""A fingerprint follows the files of a source, wherever they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nets import PreparationConfig
from workbench.data import DataConfig, fingerprint, is_remote
from workbench.data.sources import TableSource
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.cluster


def test_changed_files_of_an_address_are_noticed(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "rows" / "a.csv"
    file.parent.mkdir()
    file.write_text("x,label\n1,a\n2,b\n")
    config = DataConfig(source=TableSource(path=file.parent.as_uri(), label="label"))
    assert is_remote(config)

    def ask() -> str:
        return fingerprint(config, PreparationConfig(), spark)

    first = ask()
    assert ask() == first
    os.utime(file, (1e9, 1e9))
    second = ask()
    assert second != first
    file.with_name("b.csv").write_text("x,label\n3,a\n")
    assert ask() not in (first, second)


def test_an_address_where_nothing_is_is_refused_in_a_sentence(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = DataConfig(source=TableSource(path=f"{tmp_path.as_uri()}/none", label="label"))
    with pytest.raises(DataError, match=r"/none cannot be listed: no file is there"):
        fingerprint(config, PreparationConfig(), spark)
