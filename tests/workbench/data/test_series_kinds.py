"""Series as people have them: forms of time, offsets, calendars, index columns, splits by name."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from workbench.data import CanonicalFrame, DataConfig, guess_source, load
from workbench.data.config import SplitConfig
from workbench.data.sources import SeriesSource
from workbench.errors import DataError

pytestmark = pytest.mark.cluster

START = dt.datetime(2021, 1, 1)
HOURS = [START + dt.timedelta(hours=i) for i in range(400)]


def read(spark: SparkSession, path: Path, **settings: Any) -> CanonicalFrame:
    chosen = {"time_column": "date", "targets": ("value",), "length": 8, **settings}
    split = SplitConfig(by=chosen.pop("by", "time"), validation=0.1, test=0.2)
    source = SeriesSource(path=str(path), **chosen)
    return load(DataConfig(source=source, split=split, max_bad_share=1), spark)


def write(path: Path, rows: list[str], header: str = "date,value") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def windows(canonical: CanonicalFrame) -> dict[str, int]:
    rows = canonical.frame.groupBy("split").count().collect()
    return {row["split"]: row["count"] for row in rows}


def reasons(canonical: CanonicalFrame) -> list[str]:
    assert canonical.bad is not None
    return [row["reason"] for row in canonical.bad.collect()]


UNBROKEN = {"train": 280 - 8, "validation": 40 - 8, "test": 80 - 8}


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("%d/%m/%Y %H:%M", "day first"),
        ("%d.%m.%Y %H:%M", "day first"),
        ("%m/%d/%Y %I:%M %p", "month first"),
        ("%Y/%m/%d %H:%M:%S", "year first"),
        ("%Y-%m-%dT%H:%M:%SZ", "instants"),
    ],
)
def test_forms_of_time_are_found(spark: SparkSession, tmp_path: Path, form: str, said: str) -> None:
    path = write(tmp_path / "t.csv", [f"{t:{form}},{i}" for i, t in enumerate(HOURS)])
    canonical = read(spark, path)
    assert windows(canonical) == UNBROKEN and reasons(canonical) == []
    assert any(said in line for line in canonical.decided)


def write_periods(kind: str, count: int) -> list[str]:
    if kind == "week":
        monday = dt.date(2010, 1, 4)
        weeks = [(monday + dt.timedelta(weeks=i)).isocalendar() for i in range(count)]
        return [f"{year}-W{week:02}" for year, week, _ in weeks]
    if kind == "month":
        return [f"{1950 + i // 12}M{i % 12 + 1:02}" for i in range(count)]
    quarters = [(1901 + i // 4, i % 4 + 1) for i in range(count)]
    return [f"{y}-Q{q}" if kind == "quarter" else f"Q{q} {y}" for y, q in quarters]


@pytest.mark.parametrize(
    ("kind", "season"), [("quarter", 4), ("quarter first", 4), ("month", 12), ("week", None)]
)
def test_quarters_months_and_weeks_are_times(
    spark: SparkSession, tmp_path: Path, kind: str, season: int | None
) -> None:
    times = write_periods(kind, 400)
    path = write(tmp_path / "t.csv", [f"{t},{i}" for i, t in enumerate(times)])
    canonical = read(spark, path)
    assert windows(canonical) == UNBROKEN and reasons(canonical) == []
    assert any("each by its first day" in line for line in canonical.decided)
    source = guess_source(str(path))
    assert (source["kind"], source["time_column"]) == ("series", "date")
    assert "time_format" not in source and source.get("season") == season


def test_periods_that_are_not_in_their_year_are_bad_rows(
    spark: SparkSession, tmp_path: Path
) -> None:
    weeks = [f"{t},{i}" for i, t in enumerate(write_periods("week", 400))]
    canonical = read(spark, write(tmp_path / "t.csv", [*weeks, "2021-W53,1", "2021Q5,1"]))
    assert sorted(reasons(canonical)) == ["no time: 2021-W53", "no time: 2021Q5"]


def test_a_form_of_time_is_set(spark: SparkSession, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [f"{t:%d %b %Y %Hh},{i}" for i, t in enumerate(HOURS)])
    with pytest.raises(DataError, match=r"no time: 01 Jan 2021 00h .*data.source.time_format"):
        read(spark, path)
    assert windows(read(spark, path, time_format="%d %b %Y %Hh")) == UNBROKEN
    days = [f"0{i % 9 + 1}/0{i % 7 + 1}/2021,{i}" for i in range(30)]
    with pytest.raises(DataError, match=r"day or the month first, and no row tells.*time_format"):
        read(spark, write(tmp_path / "open.csv", days))


def test_times_with_an_offset_are_instants(spark: SparkSession, tmp_path: Path) -> None:
    zone, first = zoneinfo.ZoneInfo("Europe/Berlin"), dt.datetime(2024, 10, 20, tzinfo=dt.UTC)
    times = [(first + dt.timedelta(hours=i)).astimezone(zone) for i in range(400)]
    canonical = read(spark, write(tmp_path / "t.csv", [f"{t},{i}" for i, t in enumerate(times)]))
    assert windows(canonical) == UNBROKEN and reasons(canonical) == []


def test_business_days_are_found_and_unset(spark: SparkSession, tmp_path: Path) -> None:
    days = [START + dt.timedelta(days=i) for i in range(560)]
    days = [day for day in days if day.weekday() < 5]
    path = write(tmp_path / "t.csv", [f"{t:%Y-%m-%d},{i}" for i, t in enumerate(days)])
    canonical = read(spark, path)
    assert windows(canonical) == {"train": 272, "validation": 32, "test": 72}
    assert any("Friday and Monday are one step apart" in line for line in canonical.decided)
    assert windows(read(spark, path, calendar="even")) == {}
    assert windows(read(spark, path, calendar="business_days")) == windows(canonical)


def test_months_are_one_step_apart(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{2000 + i // 12}-{i % 12 + 1:02d}-01,{i}" for i in range(200)]
    canonical = read(spark, write(tmp_path / "t.csv", rows))
    assert windows(canonical) == {"train": 132, "validation": 12, "test": 32}


def test_index_and_text_columns_are_no_channels(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{i},{t},{i / 3},sensor {i % 3}" for i, t in enumerate(HOURS)]
    canonical = read(spark, write(tmp_path / "t.csv", rows, ",date,value,note"))
    assert canonical.spec.shape == (8, 1)
    said = "\n".join(canonical.decided)
    assert "Column not used: Unnamed: 0; it only counts" in said
    assert "Column not used: note; it is no number, such as 'sensor 0'" in said


def test_splits_of_series_by_file_and_by_column(spark: SparkSession, tmp_path: Path) -> None:
    for name, low, high in (("train", 0, 200), ("val", 200, 300), ("test", 300, 400)):
        rows = [f"{t},{i}" for i, t in enumerate(HOURS)][low:high]
        write(tmp_path / "files" / f"my_{name}.csv", rows)
    expected = {"train": 192, "validation": 92, "test": 92}
    assert windows(read(spark, tmp_path / "files")) == expected
    words = ["Training"] * 200 + ["Valid"] * 100 + ["TEST"] * 100
    rows = [f"{t},{i},{word}" for i, (t, word) in enumerate(zip(HOURS, words, strict=True))]
    path = write(tmp_path / "t.csv", rows, "date,value,set")
    assert windows(read(spark, path)) == expected
    assert windows(read(spark, path, named_splits=False)) == UNBROKEN


def test_several_series_of_a_group_stay_together(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{HOURS[i]},{i},e{entity},p{entity // 4}" for entity in range(24) for i in range(20)]
    path = write(tmp_path / "t.csv", rows, "date,value,entity,patient")
    canonical = read(spark, path, entity_column="entity", group_column="patient", by="group")
    splits: dict[str, set[str]] = {}
    for row in canonical.frame.select("split", "group").distinct().collect():
        splits.setdefault(str(int(row["group"][1:]) // 4), set()).add(row["split"])
    assert len(splits) == 6 and all(len(names) == 1 for names in splits.values())


def test_a_series_with_decimal_commas(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{t:%d.%m.%Y %H:%M};{i},5" for i, t in enumerate(HOURS)]
    path.write_text("\n".join(["date;value", *rows]), encoding="latin-1")
    first = min(
        np.frombuffer(row["features"], np.float32).tolist()
        for row in read(spark, path).frame.collect()
    )
    assert first == [i + 0.5 for i in range(8)]


def test_days_of_eight_digits_have_weeks(tmp_path: Path) -> None:
    days = [START + dt.timedelta(days=i) for i in range(400)]
    path = write(tmp_path / "t.csv", [f"{day:%Y%m%d},{i}" for i, day in enumerate(days)])
    source = guess_source(str(path))
    assert (source["kind"], source["time_column"], source["season"]) == ("series", "date", 7)
    odd = write(tmp_path / "u.csv", [f"{20240101 + i},{i}" for i in range(31)])
    assert guess_source(str(odd))["kind"] == "series"


def test_times_that_name_their_zone_are_taken_for_times(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.csv", [f"{hour} CET,{i}" for i, hour in enumerate(HOURS)])
    source = guess_source(str(path))
    assert (source["kind"], source["time_column"]) == ("series", "date")
    with pytest.raises(DataError, match="name their zone"):
        read(spark, path)
