"""JSON and Parquet as people have them: rows under a key, structs, broken lines, types that Spark has not."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.workbench.data.test_more_kinds import read, values
from workbench.data import DataConfig, guess_source
from workbench.data.counts import refuse
from workbench.data.json_records import find_form
from workbench.data.sources import TableSource
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RECORDS: list[dict[str, Any]] = [
    {"a": i % 7, "b": i + 0.5, "label": "xy"[i % 2]} for i in range(40)
]
EXPECTED = sorted([row["a"], row["b"]] for row in RECORDS)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.cluster
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("head", [{}, {"version": 1, "info": {"by": "me"}}])
def test_rows_under_a_key(
    spark: SparkSession, tmp_path: Path, head: dict[str, Any], indent: int | None
) -> None:
    path = write(
        tmp_path / "t.json", "\ufeff" + json.dumps({**head, "rows": RECORDS}, indent=indent)
    )
    canonical = read(spark, path)
    assert values(canonical) == EXPECTED
    assert canonical.labels == ("x", "y")
    assert "JSON: the rows are the objects of 'rows'." in canonical.decided


def test_texts_under_a_key_are_texts(tmp_path: Path) -> None:
    rows = [{"text": f"these are {i} words of text", "label": "xy"[i % 2]} for i in range(40)]
    source = guess_source(str(write(tmp_path / "t.json", json.dumps({"data": rows}))))
    assert (source["kind"], source["text_column"]) == ("text", "text")


@pytest.mark.cluster
def test_structs_are_columns(spark: SparkSession, tmp_path: Path) -> None:
    rows = [{"f": {"a": r["a"], "deep": {"b": r["b"]}}, "label": r["label"]} for r in RECORDS]
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    canonical = read(spark, path)
    assert canonical.feature_names == ("f.a", "f.deep.b")
    assert values(canonical) == EXPECTED
    assert "Columns within f: f.a, f.deep." in canonical.decided
    assert "Columns within f.deep: f.deep.b." in canonical.decided


@pytest.mark.cluster
def test_a_broken_line_is_a_bad_row(spark: SparkSession, tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in RECORDS]
    lines[7] = lines[7][:-5]
    canonical = read(spark, write(tmp_path / "t.jsonl", "\n".join(lines)))
    assert len(values(canonical)) == 39
    assert canonical.bad is not None
    assert canonical.bad.count() == 1
    with pytest.raises(DataError, match=r"no line that is a JSON object. The first one is 'one'"):
        read(spark, write(tmp_path / "u.jsonl", "one\ntwo\n"), label="a")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (json.dumps([[1, 2], [3, 4]]), "an array of arrays"),
        (json.dumps([1, 2]), "an array of values"),
        (json.dumps({"a": [1, 2], "b": [3, 4]}), r"one object of columns \(a, b\)"),
        (json.dumps({"a": {"0": 1}, "b": {"0": 3}}), r"one object of columns \(a, b\)"),
        (json.dumps({"columns": ["a"], "data": [[1]], "index": [0]}), "orient='split'"),
        (json.dumps({"train": RECORDS, "test": RECORDS}), "several tables: train, test"),
        (
            "".join(json.dumps(row, indent=1) + "\n" for row in RECORDS),
            "objects over several lines",
        ),
    ],
)
def test_json_that_is_no_rows_is_refused_with_a_way_out(
    tmp_path: Path, text: str, seen: str
) -> None:
    with pytest.raises(DataError, match=seen):
        guess_source(str(write(tmp_path / "t.json", text)))


def test_lines_stay_lines(tmp_path: Path) -> None:
    for text in (
        "".join(json.dumps(row) + "\n" for row in RECORDS),
        json.dumps(RECORDS[0]),
        json.dumps(RECORDS[0])[:-3] + "\n" + json.dumps(RECORDS[1]),
    ):
        assert find_form(write(tmp_path / "t.json", text)).rows == "lines"


@pytest.mark.cluster
def test_parquet_with_maps_and_with_types_that_spark_has_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    columns = {name: [row[name] for row in RECORDS] for name in ("a", "b", "label")}
    maps = pa.array([[("k", i)] for i in range(40)], pa.map_(pa.string(), pa.int64()))
    pq.write_table(pa.table({**columns, "m": maps}), tmp_path / "map.parquet")
    canonical = read(spark, tmp_path / "map.parquet")
    assert values(canonical) == EXPECTED
    assert "Column not used: m; it is map<string,bigint>." in canonical.decided
    for odd in (np.arange(40).astype(np.float16), [dt.time(i % 24) for i in range(40)]):
        pq.write_table(pa.table({**columns, "odd": odd}), tmp_path / "odd.parquet")
        with pytest.raises(DataError, match=r"types that Spark has not: odd"):
            read(spark, tmp_path / "odd.parquet")


def _of_huggingface(path: Path, columns: dict[str, Any], features: dict[str, Any]) -> Path:
    facts = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(pa.table(columns).replace_schema_metadata(facts), path)
    return path


@pytest.mark.cluster
def test_names_that_huggingface_keeps_of_a_feature_make_it_a_category(
    spark: SparkSession, tmp_path: Path
) -> None:
    columns = {"kind": [i % 3 for i in range(40)], "label": [i % 2 for i in range(40)]}
    features = {
        "kind": {"_type": "ClassLabel", "names": ["p", "q", "r"]},
        "label": {"_type": "ClassLabel", "names": ["cat", "dog"]},
    }
    canonical = read(spark, _of_huggingface(tmp_path / "t.parquet", columns, features))
    assert canonical.labels == ("cat", "dog")
    said = " ".join(canonical.decided)
    assert "Columns used: kind (category)" in said
    assert "Names of kind are those that the files keep." in said


@pytest.mark.cluster
@pytest.mark.parametrize("form", ["Sequence", "List", None])
def test_several_classes_of_a_row_are_no_measured_values(
    spark: SparkSession, tmp_path: Path, form: str | None
) -> None:
    columns = {"a": [i + 0.5 for i in range(40)], "label": [[i % 2, 1] for i in range(40)]}
    inner = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    features = {"label": {"_type": form, "feature": inner} if form else [inner]}
    path = _of_huggingface(tmp_path / "t.parquet", columns, features)
    with pytest.raises(DataError, match=r"a list of classes in each row, .* \(cat, dog\)"):
        read(spark, path)


def test_a_class_of_its_own_in_each_row_is_refused() -> None:
    names = tuple(f"a picture of {i}" for i in range(30))
    summary = {"bad": {"rows": 0}, "rows": {"train": 40, "test": 10}, "class_counts": {}}
    with pytest.raises(DataError, match=r"30 classes in 50 rows, such as 'a picture of 0'"):
        refuse(summary, names, DataConfig(source=TableSource(path="t")))
