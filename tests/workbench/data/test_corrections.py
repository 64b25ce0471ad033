"""Samples that are left out or get another class by a file: read, counted, said, in the fingerprint."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nets import PreparationConfig
from workbench import data
from workbench.data import Correction, DataConfig, SplitConfig
from workbench.data.canonical import CanonicalFrame
from workbench.data.loading import load
from workbench.data.sources import SeriesSource, TableSource, TextSource
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def table(tmp_path: Path) -> TableSource:
    rows = [f"r{i},{i}.5,{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["name,x,label", *rows]) + "\n")
    return TableSource(path=str(tmp_path / "t.csv"), format="csv", key="name")


def rows_of(canonical: CanonicalFrame) -> dict[str, tuple[float, int, str]]:
    return {
        row["key"]: (
            float(np.frombuffer(row["features"], np.float32)[0]),
            row["label"],
            row["split"],
        )
        for row in canonical.frame.collect()
    }


def test_rows_are_left_out_and_relabelled_and_no_other_row_changes(
    spark: SparkSession, table: TableSource, tmp_path: Path
) -> None:
    file = tmp_path / "fixes.csv"
    leave, change = Correction(action="exclude"), Correction(action="relabel", label="b")
    assert data.add_corrections(file, {"r3": leave, "r4": change, "gone": leave}) == 3
    assert data.add_corrections(file, {"r5": change, "r4": leave}) == 4  # the last word counts
    before = rows_of(load(DataConfig(source=table), spark))
    canonical = load(DataConfig(source=table, corrections=str(file)), spark)
    after = rows_of(canonical)
    assert set(before) - set(after) == {"r3", "r4"}
    assert {key: row for key, row in before.items() if key in after} == after  # r5 was b before
    assert (
        "Corrections: 2 rows are left out and 1 get another class, as fixes.csv says; 1 of its keys "
        "are of no row." in canonical.decided
    )
    data.add_corrections(file, {"r0": change})
    assert rows_of(load(DataConfig(source=table, corrections=str(file)), spark))["r0"] == (
        before["r0"][0],
        1,
        before["r0"][2],
    )


def test_the_fingerprint_follows_the_content_and_not_the_place(
    table: TableSource, tmp_path: Path
) -> None:
    def of(file: Path | None) -> str:
        config = DataConfig(source=table, corrections=None if file is None else str(file))
        return data.fingerprint(config, PreparationConfig())

    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    for file in (a, b):
        data.write_corrections(file, {"r1": Correction(action="exclude")})
    assert of(a) == of(b) != of(None)
    data.add_corrections(b, {"r2": Correction(action="exclude")})
    assert of(a) != of(b)


def test_words_of_texts_that_are_left_out_are_unknown(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"a text of words {i},{'ab'[i % 2]}" for i in range(40)]
    rows.append("zebra,b")
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    source = TextSource(path=str(tmp_path / "t.csv"), format="csv")
    config = DataConfig(source=source, split=SplitConfig(test=0, validation=0))
    whole = load(config, spark)
    assert whole.text is not None and "zebra" in whole.text.vocabulary
    keys = [row["key"] for row in whole.frame.collect()]
    texts = {row["key"]: bytes(row["features"]) for row in whole.frame.collect()}
    (zebra,) = [k for k in keys if np.frombuffer(texts[k], np.int32)[1] == 0]
    file = tmp_path / "fixes.csv"
    data.add_corrections(file, {zebra: Correction(action="exclude")})
    config = DataConfig(source=source, split=config.split, corrections=str(file))
    shorter = load(config, spark)
    assert shorter.text is not None and "zebra" not in shorter.text.vocabulary
    assert shorter.frame.count() == 40


def test_windows_of_a_series_are_left_out(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{i},{i % 7}" for i in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["time,x", *rows]) + "\n")
    source = SeriesSource(path=str(tmp_path / "t.csv"), targets=("x",), length=5)
    split = SplitConfig(by="time")
    keys = [r["key"] for r in load(DataConfig(source=source, split=split), spark).frame.collect()]
    file = tmp_path / "fixes.csv"
    data.add_corrections(file, {keys[0]: Correction(action="exclude")})
    canonical = load(DataConfig(source=source, split=split, corrections=str(file)), spark)
    left = Counter(row["key"] for row in canonical.frame.collect())
    assert left == Counter(keys[1:])
    data.add_corrections(file, {keys[0]: Correction(action="relabel", label="a")})
    with pytest.raises(DataError, match="measured values"):
        load(DataConfig(source=source, split=split, corrections=str(file)), spark)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("key,what\nr1,exclude\n", "has no action, label"),
        ("key,action,label\nr1,drop,\n", "line 2: action must be exclude"),
        ("key,action,label\nr1,relabel,\n", "relabel with a label"),
        (
            "key,action,label\nr1,relabel,c\n",
            "the class 'c', which the data does not have. It has a, b",
        ),
        ("key,action,label\nother,exclude,\n", "None of the 1 keys"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    spark: SparkSession, table: TableSource, tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "fixes.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DataError, match=message):
        load(DataConfig(source=table, corrections=str(file)), spark)
