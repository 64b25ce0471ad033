"""CSV as people have it: delimiters, decimals, headers, encodings, missing markers, categories, dates."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from workbench import data
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.csv_config import CsvConfig
from workbench.data.dialect import find_dialect
from workbench.data.sources import TableSource
from workbench.errors import DataError

pytestmark = pytest.mark.cluster

ROWS = [(i * 0.7 + 0.25, (i * 7919) % 101 + 0.5, "yes" if i % 2 else "no") for i in range(40)]


def load(spark: SparkSession, path: Path, **settings: Any) -> data.CanonicalFrame:
    split = settings.pop("split_config", SplitConfig())
    source = TableSource(path=str(path), **{"format": "csv", **settings})
    return data.load(DataConfig(source=source, split=split), spark)


def vectors(canonical: data.CanonicalFrame, split: str | None = None) -> list[list[float]]:
    rows = canonical.frame if split is None else canonical.frame.where(f"split = '{split}'")
    return sorted(np.frombuffer(row["features"], np.float32).tolist() for row in rows.collect())


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def lines(between: str = ",", header: str | None = "a,b,label", comma: bool = False) -> str:
    number = (lambda x: f"{x}".replace(".", ",")) if comma else str
    rows = [between.join((number(a), number(b), y)) for a, b, y in ROWS]
    first = [] if header is None else [header.replace(",", between)]
    return "\n".join([*first, *rows]) + "\n"


EXPECTED = sorted([np.float32(a), np.float32(b)] for a, b, _ in ROWS)


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("semicolons.csv", lines(";"), "utf-8"),
        ("comma.csv", lines(";", comma=True), "utf-8"),
        ("tabs.tsv", lines("\t"), "utf-8"),
        ("T.CSV", lines(), "utf-8"),
        ("mark.csv", lines(), "utf-8-sig"),
        ("wide.csv", lines(), "utf-16"),
        ("spaces.csv", lines(", "), "utf-8"),
        ("remarks.csv", "# from the lab\n# second line\n" + lines(), "utf-8"),
    ],
)
def test_one_table_in_many_dialects(
    spark: SparkSession, tmp_path: Path, name: str, text: str, encoding: str
) -> None:
    canonical = load(spark, write(tmp_path / name, text, encoding))
    assert vectors(canonical) == EXPECTED
    assert canonical.labels == ("no", "yes")
    assert canonical.decided[0].startswith("CSV: ")


def test_a_packed_table_without_a_header(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(lines(header=None).encode()))
    canonical = load(spark, tmp_path / "t.csv.gz", label="c2")
    assert vectors(canonical) == EXPECTED
    assert "no header, columns are c0, c1, ..." in canonical.decided[0]


@pytest.mark.parametrize(("encoding", "letter"), [("latin-1", "é"), ("cp1252", "œ")])
def test_the_encoding_is_found(tmp_path: Path, encoding: str, letter: str) -> None:
    path = write(tmp_path / "t.csv", f"name,label\n{letter},1\n", encoding)
    assert find_dialect(path, CsvConfig()).encoding == encoding


def test_settings_of_csv_override_what_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "1;2\n3;4\n")
    assert find_dialect(path, CsvConfig()).names == ("c0", "c1")
    assert find_dialect(path, CsvConfig(header=True)).names == ("1", "2")
    assert find_dialect(path, CsvConfig(delimiter=",")).names == ("1;2",)


def test_missing_markers_leave_a_column_a_number(spark: SparkSession, tmp_path: Path) -> None:
    cells = ["NA", "N/A", "null", "?", "-", ""]
    rows = [f"{a},{cells[i] if i < 6 else b},{y}" for i, (a, b, y) in enumerate(ROWS)]
    path = write(tmp_path / "t.csv", "\n".join(["a,b,label", *rows]))
    canonical = load(spark, path)
    assert len(vectors(canonical)) == 34 and canonical.spec.shape == (2,)
    assert canonical.bad is not None
    assert {row["reason"] for row in canonical.bad.collect()} == {
        "a feature that is null, NaN or infinite: b"
    }
    assert any("b has no value in 6 of 40 rows" in line for line in canonical.decided)
    filled = vectors(load(spark, path, fill=-1.0))
    assert len(filled) == 40 and sum(row[1] == -1 for row in filled) == 6


def test_rows_of_another_length_are_set_aside(spark: SparkSession, tmp_path: Path) -> None:
    canonical = load(spark, write(tmp_path / "t.csv", lines() + "1,2,yes,4\n5\n"))
    assert vectors(canonical) == EXPECTED and canonical.bad is not None
    reasons = sorted(row["reason"] for row in canonical.bad.collect())
    assert [reason.split(": ")[1] for reason in reasons] == ["1,2,yes,4", "5"]


def test_columns_that_count_the_rows_are_no_features(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{i},{a},{1000 + i},{y}" for i, (a, _, y) in enumerate(ROWS)]
    canonical = load(spark, write(tmp_path / "t.csv", "\n".join([",a,number,label", *rows])))
    assert vectors(canonical) == [[np.float32(a)] for a, _, _ in ROWS]
    said = "\n".join(canonical.decided)
    assert "Column not used: Unnamed: 0; it only counts" in said
    assert "Column not used: number; it only counts" in said
    named = load(spark, tmp_path / "t.csv", features=("a", "number"))
    assert named.spec.shape == (2,)  # a setting overrides


def test_categories_are_those_of_the_training_rows(spark: SparkSession, tmp_path: Path) -> None:
    for split, colours in (("train", ["red", "blue"]), ("test", ["red", "green"])):
        rows = [f"{a},{colours[i // 2 % 2]},{y}" for i, (a, _, y) in enumerate(ROWS)]
        write(tmp_path / f"{split}.csv", "\n".join(["a,colour,label", *rows]))
    canonical = load(spark, tmp_path)
    assert canonical.spec.shape == (3,)
    assert canonical.feature_names == ("a", "colour=blue", "colour=red")
    train, test = vectors(canonical, "train"), vectors(canonical, "test")
    assert {tuple(row[1:]) for row in train} == {(1, 0), (0, 1)}
    assert {tuple(row[1:]) for row in test} == {(0, 0), (0, 1)}
    assert any("no training row has green" in line for line in canonical.decided)


def test_booleans_and_dates_are_features(spark: SparkSession, tmp_path: Path) -> None:
    rows = [
        f"{'Yes' if i % 3 else 'no'},{i % 28 + 1}.0{i % 2 + 2}.2024,{y}"
        for i, (_, _, y) in enumerate(ROWS)
    ]
    canonical = load(spark, write(tmp_path / "t.csv", "\n".join(["flag,day,label", *rows])))
    assert canonical.feature_names == ("flag", "day.days", "day.month", "day.weekday")
    assert [1, 19782, 2, 3] not in vectors(canonical)  # 29 February is not there
    assert [1, 19755, 2, 4] not in vectors(canonical)
    assert [0, 19754, 2, 3] in vectors(canonical)  # Thursday, 1 February 2024
    assert any("dates with the day first" in line for line in canonical.decided)


def test_measured_labels_as_classes_are_refused_with_the_setting(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.csv", "\n".join(["x,label", *(f"{b},{a}" for a, b, _ in ROWS)]))
    with pytest.raises(DataError, match=r"'label' looks measured: 40 .* data.source.task=values"):
        load(spark, path)
    assert load(spark, path, task="values").labels is None


def test_classes_that_are_numbers_come_in_natural_order(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = "\n".join(f"{i / 7},k{i % 12}" for i in range(240))
    canonical = load(spark, write(tmp_path / "t.csv", f"x,label\n{rows}\n"))
    assert canonical.labels == tuple(f"k{i}" for i in range(12))


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train.csv", "dev.csv", "test.csv"), {"train": 40, "validation": 40, "test": 40}),
        (("Training/x.csv", "Testing/x.csv"), {"train": 36, "validation": 4, "test": 40}),
        (("X_Train.csv", "X_Valid.csv"), {"train": 32, "validation": 40, "test": 8}),
        (("split=train/a.csv", "split=test/a.csv"), {"train": 36, "validation": 4, "test": 40}),
    ],
)
def test_splits_by_name(
    spark: SparkSession, tmp_path: Path, names: tuple[str, ...], splits: dict[str, int]
) -> None:
    for name in names:
        write(tmp_path / name, lines())
    canonical = load(spark, tmp_path)
    counted = {
        row["split"]: row["count"] for row in canonical.frame.groupBy("split").count().collect()
    }
    assert counted == splits
    assert vectors(canonical) == sorted(EXPECTED * len(names))
    drawn = load(spark, tmp_path, named_splits=False)
    assert drawn.official_test is False


def test_a_split_column_in_other_words(spark: SparkSession, tmp_path: Path) -> None:
    words = ["Train", "TRAIN", "val", "Test"]
    rows = [f"{a},{y},{words[i // 2 % 4]}" for i, (a, _, y) in enumerate(ROWS)]
    canonical = load(spark, write(tmp_path / "t.csv", "\n".join(["a,label,Split", *rows])))
    counted = {
        row["split"]: row["count"] for row in canonical.frame.groupBy("split").count().collect()
    }
    assert counted == {"train": 20, "validation": 10, "test": 10}
    assert canonical.spec.shape == (1,)


def test_kaggles_test_file_without_labels_is_left_out(spark: SparkSession, tmp_path: Path) -> None:
    write(tmp_path / "train.csv", lines())
    write(tmp_path / "test.csv", "a,b\n1,2\n")
    write(tmp_path / "sample_submission.csv", "id,label\n1,yes\n")
    canonical = load(spark, tmp_path)
    assert vectors(canonical) == EXPECTED
    said = "\n".join(canonical.decided)
    assert "test.csv is not read: it has no column 'label'" in said
    assert "sample_submission.csv" in said


def test_parquet_with_nanoseconds_and_an_index_of_pandas(
    spark: SparkSession, tmp_path: Path
) -> None:
    import pandas as pd

    times = pd.date_range("2024-01-01", periods=40, freq="h", unit="ns")
    frame = pd.DataFrame(
        {"a": [a for a, _, _ in ROWS], "when": times, "label": [y for *_, y in ROWS]}
    )
    frame.index = pd.Index(range(100, 140), name="__index_level_0__")
    frame.to_parquet(tmp_path / "t.parquet")
    canonical = load(spark, tmp_path / "t.parquet", format="parquet")
    assert canonical.feature_names == ("a", "when.days", "when.month", "when.weekday", "when.hour")
    last = next(row for row in vectors(canonical) if row[0] == np.float32(ROWS[39][0]))
    assert last == [np.float32(ROWS[39][0]), 19724 + 0.625, 1, 1, 15]  # Tuesday, 15:00


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.bz2"])
def test_a_file_that_is_not_packed_as_its_name_says(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"{name} is not packed as its name says"):
        find_dialect(write(tmp_path / name, lines()), CsvConfig())
