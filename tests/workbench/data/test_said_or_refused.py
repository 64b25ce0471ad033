"""What was once read wrong without a word: it is read right, counted, or refused."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nets import ConfigError
from tests.workbench.data.test_more_kinds import read, write
from workbench import data
from workbench.data.sources import SeriesSource
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# ---- tables


def test_a_condition_leaves_rows_that_cannot_be_parsed_among_the_bad(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f"{i},{i}.5,{'ab'[i % 2]}" for i in range(60)]
    path = write(tmp_path / "t.csv", ["n,x,label", *rows, "7,8,a,more"])
    canonical = read(spark, path, where="n >= 20", features=["x"])
    assert canonical.frame.count() == 40
    assert canonical.bad is not None and canonical.bad.count() == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_columns_with_spaces_between_them_in_any_encoding(
    spark: SparkSession, tmp_path: Path, encoding: str
) -> None:
    rows = [f"{i}.5   {('café', 'thé')[i % 2]}   {i % 3}" for i in range(40)]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(["size  class   rooms", *rows]) + "\n", encoding=encoding)
    canonical = read(spark, path, kind="table", format="csv", label="class")
    assert canonical.labels == ("café", "thé")
    assert canonical.feature_names == ("size", "rooms")
    assert canonical.bad is not None and canonical.bad.count() == 0
    assert canonical.frame.count() == 40


# ---- times


def test_a_part_of_a_time_that_is_missing_is_no_midnight(
    spark: SparkSession, tmp_path: Path
) -> None:
    times = [dt.datetime(2021, 1, 1) + dt.timedelta(hours=i) for i in range(200)]
    rows = [f"{t:%Y-%m-%d},{t:%H:%M},{t.hour}" for t in times]
    canonical = read(
        spark, write(tmp_path / "t.csv", ["date,clock,load", *rows, "2021-02-01,,5", ",10:00,5"]),
        kind="series", time_column="date+clock", targets=["load"], length=5,
    )  # fmt: skip
    assert canonical.bad is not None and canonical.bad.count() == 2
    rows = [f"{t.year},{t.month},{t.day},{t.hour},{t.hour}" for t in times]
    rows += ["2021,2,1,100,5", "21,2,1,1,5"]  # no hour 10, and no 21st of February 2001
    canonical = read(
        spark, write(tmp_path / "u.csv", ["year,month,day,hour,load", *rows]),
        kind="series", time_column="year+month+day+hour", targets=["load"], length=5,
    )  # fmt: skip
    assert canonical.bad is not None and canonical.bad.count() == 2


@pytest.mark.parametrize("zone", [" Europe/Berlin", " CET", "+01:00[Europe/Berlin]"])
def test_a_time_that_names_its_zone_is_refused(
    spark: SparkSession, tmp_path: Path, zone: str
) -> None:
    times = [dt.datetime(2021, 3, 1) + dt.timedelta(hours=i) for i in range(60)]
    path = write(tmp_path / "t.csv", ["time,load", *(f"{t}{zone},{t.hour}" for t in times)])
    source = SeriesSource(path=str(path), targets=("load",), length=5)
    with pytest.raises(DataError, match="name their zone, which is not read"):
        data.read(source, spark)
    with pytest.raises(ConfigError, match="must not have %Z"):
        data.read(replace(source, time_format="%Y-%m-%d %H:%M:%S %Z"), spark)
