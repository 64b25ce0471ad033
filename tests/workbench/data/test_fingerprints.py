"""A fingerprint follows the files of a source, wherever they are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nets import PreparationConfig
from nets.spec import TensorSpec
from nets.text import TextEncoding
from workbench.data import (
    CanonicalFrame,
    DataConfig,
    content_fingerprint,
    fingerprint,
    is_read_anew,
    is_remote,
)
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


def test_a_table_of_the_catalog_is_known_by_its_files_and_a_view_by_its_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    file = tmp_path / "rows" / "a 1.csv"
    file.parent.mkdir()
    file.write_text("x,label\n1,a\n2,b\n")
    spark.sql("drop table if exists edited_rows")
    spark.sql(
        f"create table edited_rows using csv options (header true) location '{file.parent.as_uri()}'"
    )
    config = DataConfig(source=TableSource(path="edited_rows", format="catalog"))
    try:
        first = fingerprint(config, PreparationConfig(), spark)
        assert not is_read_anew(config, spark) and not is_read_anew(config)
        os.utime(file, (1e9, 1e9))  # edited in its place, not by Spark
        spark.catalog.refreshTable("edited_rows")
        assert fingerprint(config, PreparationConfig(), spark) != first
        spark.sql("create or replace temp view edited_view as select x, label from edited_rows")
        view = DataConfig(source=TableSource(path="edited_view", format="catalog"))
        assert is_read_anew(view, spark)  # its query may become another one over the same files
        spark.range(3).createOrReplaceTempView("edited_view")
        assert is_read_anew(view, spark)
    finally:
        spark.catalog.dropTempView("edited_view")
        spark.sql("drop table if exists edited_rows")


def test_equal_numbers_of_other_words_are_other_data() -> None:
    spec = TensorSpec(kind="tokens", shape=(4,), vocabulary_size=3)
    words = TextEncoding(tokenizer="words", lowercase=True, max_length=4, vocabulary=("", "?", "a"))
    rows = CanonicalFrame(frame=None, spec=spec, labels=("x", "y"), num_outputs=2, text=words)  # type: ignore[arg-type]
    others = replace(rows, text=replace(words, vocabulary=("", "?", "b")))
    one, other = (content_fingerprint("00", each, PreparationConfig()) for each in (rows, others))
    assert one != other
