"""What a path is taken for: series, texts, tables without usual names, and what is refused with a way out."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nets.config import from_dict
from workbench.data import DataConfig, SplitConfig, assign_splits, guess_source, summarize
from workbench.data import read as read_source
from workbench.data.guess import describe_guess
from workbench.errors import DataError
from workbench.preflight.decisions import list_decisions

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WAVE = [10 + 3 * np.sin(i / 24 * 2 * np.pi) for i in range(600)]
HOURS = [dt.datetime(2021, 1, 1) + dt.timedelta(hours=i) for i in range(600)]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("%Y-%m-%d %H:%M:%S", "date"),
        ("%d/%m/%Y %H:%M", "Date"),
        ("%m/%d/%Y %I:%M %p", "timestamp"),
        ("%d.%m.%Y %H:%M", "Zeit"),
        ("%Y-%m-%dT%H:%M:%S+02:00", "ds"),
    ],
)
def test_a_table_whose_times_go_up_is_a_series(tmp_path: Path, form: str, name: str) -> None:
    rows = [f"{t:{form}},{v},1" for t, v in zip(HOURS, WAVE, strict=True)]
    settings = guess_source(str(write(tmp_path / "t.csv", [f"{name},OT,load", *rows])))
    assert settings["kind"] == "series"
    assert settings["time_column"] == name
    assert settings["targets"] == ["load"]  # by its name; otherwise the last one
    assert settings["season"] == settings["horizon"] == 24
    assert settings["length"] == 600 / 12 - 24
    assert "load is forecast 24 steps ahead" in describe_guess(settings)[0]


def test_a_series_of_several_entities_and_one_of_states(tmp_path: Path) -> None:
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(120)]
    rows = [f"{u},{d},{i}.5" for u in "abc" for i, d in enumerate(days)]
    long = guess_source(str(write(tmp_path / "long.csv", ["unique_id,ds,y", *rows])))
    assert long["entity_column"] == "unique_id"
    assert long["targets"] == ["y"]
    rows = [f"{i / 10},{i % 7}.5,{'walk' if i // 100 % 2 else 'sit'}" for i in range(1000)]
    states = guess_source(str(write(tmp_path / "states.csv", ["time,ax,activity", *rows])))
    assert states["label_column"] == "activity"
    assert "targets" not in states


def test_tables_with_dates_stay_tables(tmp_path: Path) -> None:
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(100)]
    rows = [f"{d},{i % 7}.5,{'ab'[i % 2]}" for i, d in enumerate(days)]
    assert guess_source(str(write(tmp_path / "a.csv", ["date,x,label", *rows])))["kind"] == "table"
    mixed = [rows[i * 37 % 100] for i in range(100)]
    assert guess_source(str(write(tmp_path / "b.csv", ["date,x,class", *mixed])))["kind"] == "table"


def test_equal_windows_of_a_series_that_repeats_are_no_leak(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f"{t},{i % 24}" for i, t in enumerate(HOURS)]
    path = write(tmp_path / "t.csv", ["date,value", *rows])
    config = from_dict(DataConfig, {"source": guess_source(str(path)), "split": {"by": "time"}})
    canonical = assign_splits(read_source(config.source, spark), config.split)
    said = " ".join(list_decisions(canonical, summarize(canonical, config)))
    assert "Leak" not in said
    copied = write(
        tmp_path / "twice.csv", ["id,date,value", *(f"{u},{r}" for u in "abc" for r in rows)]
    )
    source = {**guess_source(str(copied)), "entity_column": "id"}
    config = from_dict(DataConfig, {"source": source, "split": {"by": "group", "test": 0.3}})
    canonical = assign_splits(read_source(config.source, spark), config.split)
    said = " ".join(list_decisions(canonical, summarize(canonical, config)))
    assert "Leak" in said  # the same hours of a copied entity


def texts(num: int = 60) -> list[tuple[str, str]]:
    return [(f"a text that says {i} things", "pos" if i % 2 else "neg") for i in range(num)]


def test_texts_without_an_ending_or_a_usual_name(tmp_path: Path) -> None:
    lines = [f"{y}\t{t}" for t, y in texts()]
    settings = guess_source(str(write(tmp_path / "SMSSpamCollection", lines)))
    assert (settings["text_column"], settings["label_column"]) == ("c1", "c0")
    rows = [
        f'"{i % 2 * 4}","{1467810369 + 7 * i}","NO_QUERY","{t}"' for i, (t, _) in enumerate(texts())
    ]
    tweets = guess_source(str(write(tmp_path / "tweets.csv", rows)))
    assert (tweets["kind"], tweets["text_column"]) == ("text", "c3")  # the ids are no features


def test_classes_that_are_lists_and_names_kept_in_parquet(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = [json.dumps({"id": i, "text": t, "label": [y]}) for i, (t, y) in enumerate(texts())]
    lines.append(json.dumps({"id": 99, "text": "two classes", "label": ["pos", "neg"]}))
    path = write(tmp_path / "doccano.jsonl", lines)
    canonical = read_source(
        from_dict(DataConfig, {"source": guess_source(str(path))}).source, spark
    )
    assert canonical.labels == ("neg", "pos")
    assert canonical.bad is not None
    assert canonical.bad.count() == 1
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    table = pa.table(
        {"text": [t for t, _ in texts()], "label": [int(y == "pos") for _, y in texts()]}
    )
    table = table.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    pq.write_table(table, tmp_path / "train.parquet")
    settings = guess_source(str(tmp_path / "train.parquet"))
    canonical = read_source(from_dict(DataConfig, {"source": settings}).source, spark)
    assert settings["kind"] == "text"
    assert canonical.labels == ("neg", "pos")


def test_the_label_of_a_table_without_names_may_come_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{i % 3}," + ",".join(f"{v:.3f}" for v in rng.normal(size=5)) for i in range(60)]
    assert guess_source(str(write(tmp_path / "ucr.csv", rows)))["label"] == "c0"
    rows = [f"{v:.3f},{i % 3}" for i, v in enumerate(rng.normal(size=60))]
    assert guess_source(str(write(tmp_path / "iris.data", rows)))["label"] == "c1"


def test_numbers_with_commas_between_thousands(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f'"{1000 + i * 31:,}",{i % 5},{"ab"[i % 2]}' for i in range(60)]
    path = write(tmp_path / "t.csv", ["size,x,label", *rows])
    canonical = read_source(
        from_dict(DataConfig, {"source": guess_source(str(path))}).source, spark
    )
    values = {np.frombuffer(r["features"], np.float32)[0] for r in canonical.frame.collect()}
    assert values == {1000 + i * 31 for i in range(60)}
    assert "commas between thousands" in " ".join(canonical.decided)


def test_an_empty_first_cell_of_the_only_feature(spark: SparkSession, tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", ["x,label", ",a", *(f"{i}.5,{'ab'[i % 2]}" for i in range(20))]
    )
    canonical = read_source(
        from_dict(DataConfig, {"source": guess_source(str(path))}).source, spark
    )
    assert canonical.spec.shape == (1,)
    assert canonical.bad is not None
    assert canonical.bad.count() == 1


def test_doubtful_values_are_said(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{-999 if i % 9 == 0 else i},{('Yes', 'no', 'yes')[i % 3]}" for i in range(60)]
    path = write(tmp_path / "t.csv", ["x,label", *rows])
    config = from_dict(DataConfig, {"source": guess_source(str(path))})
    canonical = assign_splits(read_source(config.source, spark), SplitConfig())
    said = " ".join(list_decisions(canonical, summarize(canonical, config)))
    assert "smallest value of x is -999" in said
    assert "'Yes' and 'yes'" in said


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("t.csv", ["sep=;", "a;label", *["1;x"] * 9], "tail -n \\+2"),
        ("t.csv", ["Device export", "", "a;b;label", *["1;2;x"] * 9], "tail -n \\+3"),
        ("t.npz", ["x"], "to_parquet"),
        ("t.xlsx", ["x"], "as CSV"),
        ("t.tfrecord", ["x"], "spark-tfrecord"),
        ("t.bin", ["x"], "no known kind"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_out(
    spark: SparkSession, tmp_path: Path, name: str, lines: list[str], message: str
) -> None:
    path = write(tmp_path / name, lines)
    with pytest.raises(DataError, match=message):
        read_source(from_dict(DataConfig, {"source": guess_source(str(path))}).source, spark)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
def test_a_table_that_is_aligned_with_spaces_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    lines = [
        "     a       b  label",
        *(f"{i / 7:8.3f} {i * 3:6d} {'yn'[i % 2]:>5}" for i in range(40)),
    ]
    (tmp_path / "t.txt").write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    guessed = guess_source(str(tmp_path / "t.txt"))
    assert (guessed["kind"], guessed["format"]) == ("table", "csv")


def test_bytes_that_are_no_text_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.dat").write_bytes(bytes([1, 0, 44, 10]) * 400)
    with pytest.raises(DataError, match="of no known kind of data"):
        guess_source(str(tmp_path / "t.dat"))
