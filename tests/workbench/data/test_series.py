"""Series from long tables and .ts files, through Spark."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from nets.errors import ConfigError
from nets.prepare import PreparationConfig
from workbench.data import CanonicalFrame, DataConfig, fit_statistics, fit_targets, load
from workbench.data.config import SplitConfig
from workbench.data.sources import SeriesSource, TsFileSource
from workbench.data.sources.ts_file import Header, parse_line
from workbench.errors import DataError


def load_canonical(spark: SparkSession, source: Any, **split: Any) -> CanonicalFrame:
    config = DataConfig(source=source, split=SplitConfig(**split), max_bad_share=1)
    return load(config, spark)


def rows_of(canonical: CanonicalFrame) -> list[dict[str, Any]]:
    found = [row.asDict() for row in canonical.frame.collect()]
    for row in found:
        row["values"] = np.frombuffer(row["features"], np.float32).reshape(canonical.spec.shape)
    return sorted(found, key=lambda row: row["key"])


def reasons(canonical: CanonicalFrame) -> dict[str, str]:
    assert canonical.bad is not None
    return {row["key"]: row["reason"] for row in canonical.bad.collect()}


@pytest.mark.cluster
def test_ett_windows_are_those_of_numpy_and_split_by_time(
    spark: SparkSession, real_data: Path
) -> None:
    path = real_data / "ett/ETTh1.csv"
    values = np.loadtxt(path, np.float32, delimiter=",", skiprows=1, usecols=range(1, 8))[:3000]
    head = "".join(path.open().readlines()[:3001])
    source = SeriesSource(
        path=write_table(spark, head),
        time_column="date",
        targets=("OT",),
        length=96,
        horizon=24,
        stride=6,
        season=24,
    )
    canonical = load_canonical(spark, source, by="time", validation=0.1, test=0.2)
    assert (canonical.spec.shape, canonical.num_outputs, canonical.labels) == ((96, 7), 24, None)
    rows = rows_of(canonical)
    assert reasons(canonical) == {}
    bounds = {"train": (0, 2100), "validation": (2100, 2400), "test": (2400, 3000)}
    place = {row["key"]: i for i, row in enumerate(rows)}
    for name, (low, high) in bounds.items():
        starts = range(low, high - 120 + 1, 6)
        of_split = [row for row in rows if row["split"] == name]
        assert len(of_split) == len(starts)
        for row, start in zip(of_split, starts, strict=True):
            np.testing.assert_array_equal(row["values"], values[start : start + 96])
            np.testing.assert_array_equal(row["label"], values[start + 96 : start + 120, 6])
    assert len(place) == len(rows)
    train = np.stack([row["values"] for row in rows if row["split"] == "train"])
    label = np.stack([row["label"] for row in rows if row["split"] == "train"])
    change = fit_targets(canonical, PreparationConfig(targets="change"))
    plain = fit_targets(canonical, PreparationConfig())
    assert change is not None and plain is not None
    np.testing.assert_allclose(change.mean, (label - train[:, -1:, 6]).mean(0), atol=1e-4)
    np.testing.assert_allclose(plain.variance, label.var(0), rtol=1e-4)


def write_table(spark: SparkSession, text: str, name: str = "table.csv") -> str:
    import os
    import tempfile

    path = Path(tempfile.mkdtemp(dir=os.environ["WORKBENCH_HOME"])) / name
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def messy(spark: SparkSession) -> str:
    """Two machines in no order: a gap, a repeated row, two that differ, and values that are none."""
    lines = [
        f"m{m},{t},{m * 100 + t},{'up' if t > 5 else 'down'}" for m in (1, 2) for t in range(12)
    ]
    lines.remove("m1,4,104,down")  # a gap
    lines += ["m2,3,203,down"]  # the same again
    lines += ["m2,9,999,up"]  # says otherwise
    lines += ["m1,12,oops,up", "m1,13,,up", "m1,14,inf,up", ",1,1,up", "m1,soon,1,up", "m1,15,1,"]
    order = np.random.default_rng(0).permutation(len(lines))
    return write_table(spark, "\n".join(["who,when,value,state", *(lines[i] for i in order)]))


@pytest.mark.cluster
def test_gaps_duplicates_and_bad_values_are_set_aside(spark: SparkSession, messy: str) -> None:
    source = SeriesSource(
        path=messy, time_column="when", entity_column="who", label_column="state", length=4
    )
    canonical = load_canonical(spark, source, by="group", validation=0, test=0.5)
    assert canonical.labels == ("down", "up")
    rows = rows_of(canonical)
    # m1: 0-3 | 5-11; m2: 0-8 | 10-11 (both rows of 9 are gone)
    expected = {"m1@0"} | {f"m1@{t}" for t in range(5, 9)} | {f"m2@{t}" for t in range(6)}
    assert {row["key"] for row in rows} == expected
    for row in rows:
        machine, start = int(row["key"][1]), int(row["key"].split("@")[1])
        assert row["values"][:, 0].tolist() == [machine * 100 + start + i for i in range(4)]
        assert row["label"] == int(start + 3 > 5)
    assert len({(row["group"], row["split"]) for row in rows}) == 2
    assert sorted(reasons(canonical).values()) == sorted(
        [
            "2 rows without a break, a sample needs 4",
            "a row that is there twice",
            "no class",
            "no entity",
            "no time: soon",
            "rows of one time that differ",
            "value is missing",
            "value is no finite number: inf",
            "value is no finite number: oops",
        ]
    )


@pytest.mark.cluster
def test_with_gaps_ignored_rows_follow_on_one_another(spark: SparkSession, messy: str) -> None:
    source = SeriesSource(
        path=messy,
        time_column="when",
        entity_column="who",
        channels=("value",),
        targets=("value",),
        length=10,
        horizon=1,
        gaps="ignore",
    )
    canonical = load_canonical(spark, source, by="group", validation=0, test=0.5)
    found = {row["key"]: row for row in rows_of(canonical)}
    assert set(found) == {"m1@0", "m1@1", "m2@0"}
    assert found["m1@0"]["values"][:, 0].tolist() == [
        100 + t for t in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10)
    ]
    assert found["m1@0"]["label"] == [111.0]


@pytest.mark.cluster
def test_clock_times_step_evenly_over_a_change_of_summer_time(spark: SparkSession) -> None:
    hours = np.arange("2021-03-27T20", "2021-03-28T10", dtype="datetime64[h]").astype(str)
    text = "\n".join(["time,x", *(f"{h.replace('T', ' ')}:00:00,{i}" for i, h in enumerate(hours))])
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    try:
        source = SeriesSource(path=write_table(spark, text), targets=("x",), length=12, horizon=2)
        (row,) = rows_of(load_canonical(spark, source, by="time", validation=0, test=0))
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    assert row["label"] == [12.0, 13.0]


def test_a_series_is_not_split_row_by_row() -> None:
    source = SeriesSource(path="x", targets=("y",))
    with pytest.raises(ConfigError, match=r"set split.by to time .* or group"):
        DataConfig(source=source)
    with pytest.raises(ConfigError, match=r"either a label_column .* or targets"):
        SeriesSource(path="x")


@pytest.mark.cluster
def test_ts_files_keep_their_lengths_and_their_test_set(
    spark: SparkSession, real_data: Path
) -> None:
    canonical = load_canonical(
        spark, TsFileSource(path=str(real_data / "japanese-vowels")), validation=0.1
    )
    assert (canonical.spec.shape, len(canonical.labels or ())) == ((29, 12), 9)
    rows = rows_of(canonical)
    assert Counter(row["split"] for row in rows) == {"train": 243, "validation": 27, "test": 370}
    assert (min(row["length"] for row in rows), max(row["length"] for row in rows)) == (7, 29)
    assert reasons(canonical) == {}
    line = (real_data / "japanese-vowels/JapaneseVowels_TEST.ts").read_text().splitlines()[-1]
    *channels, label = line.split(":")
    values = np.array([channel.split(",") for channel in channels], np.float32).T
    same = [
        row
        for row in rows
        if row["length"] == len(values) and np.array_equal(row["values"][: len(values)], values)
    ]
    assert [(row["split"], row["label"]) for row in same] == [("test", int(label) - 1)]
    assert all(not row["values"][row["length"] :].any() for row in rows)

    statistics = fit_statistics(canonical, PreparationConfig())
    train = [row["values"][: row["length"]] for row in rows if row["split"] == "train"]
    assert statistics is not None
    np.testing.assert_allclose(statistics.mean, np.concatenate(train).mean(0), atol=1e-5)
    np.testing.assert_allclose(statistics.variance, np.concatenate(train).var(0), rtol=1e-4)
    with pytest.raises(ConfigError, match="needs samples of one length"):
        fit_statistics(canonical, PreparationConfig(method="pca"))


@pytest.mark.cluster
def test_bad_lines_of_a_ts_file_are_set_aside(spark: SparkSession) -> None:
    text = (
        "@dimensions 2\n@classLabel true a b\n@data\n1,2:3,4:a\n1,2:3:a\n1:2:c\n1,?:2,3:b\n5:6:b\n"
    )
    canonical = load_canonical(
        spark, TsFileSource(path=write_table(spark, text, "x.ts")), validation=0, test=0
    )
    assert [row["values"].tolist() for row in rows_of(canonical) if row["label"] == 0] == [
        [[1, 3], [2, 4]]
    ]
    assert sorted(reasons(canonical).values()) == [
        "a value that is missing or no number",
        "channels of 1 to 2 steps",
        "class 'c' is not in the header",
    ]
    with pytest.raises(DataError, match="no line @data"):
        load_canonical(spark, TsFileSource(path=write_table(spark, "1:2\n", "y.ts")))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1:2:3:a", "3 channels, the header says 2"),
        ("1,nan:2,3:a", "not finite"),
        (":", "1 channels"),
    ],
)
def test_a_line_that_is_none(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_line(line, Header(2, ("a",)), {"a": 0})
