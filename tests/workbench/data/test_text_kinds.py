"""Texts as people have them: GLUE's files, tables found by their columns, splits by name, aclImdb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from workbench.data import CanonicalFrame, DataConfig, guess_source, load
from workbench.data.sources import TextSource

TEXTS = [(f'a {"joy" if i % 2 else "bore"}, "{i}" it is', i % 2) for i in range(60)]


def read(spark: SparkSession, **settings: Any) -> CanonicalFrame:
    return load(DataConfig(source=TextSource(**settings)), spark)


def counts(canonical: CanonicalFrame) -> dict[str, int]:
    rows = canonical.frame.groupBy("split").count().collect()
    return {row["split"]: row["count"] for row in rows}


@pytest.mark.cluster
def test_glues_files_without_header(spark: SparkSession, tmp_path: Path) -> None:
    for split, low, high in (("train", 0, 40), ("dev", 40, 50), ("test", 50, 60)):
        rows = [f"{text}\t{label}\n" for text, label in TEXTS[low:high]]
        (tmp_path / f"{split}.tsv").write_text('"'.join(["", *rows]))  # a quote that nothing closes
    settings = guess_source(str(tmp_path))
    assert settings["kind"] == "text" and settings["text_column"] == "c0"
    canonical = read(spark, **settings)
    assert counts(canonical) == {"train": 40, "validation": 10, "test": 10}
    assert canonical.labels == ("0", "1")


@pytest.mark.cluster
@pytest.mark.parametrize("ending", ["csv", "jsonl", "CSV"])
def test_text_in_a_table_is_found_by_its_column(
    spark: SparkSession, tmp_path: Path, ending: str
) -> None:
    rows = [
        {"id": i, "review": f"{t}\nnext, line", "mood": "so" if y else "no"}
        for i, (t, y) in enumerate(TEXTS)
    ]
    path = tmp_path / f"t.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        quoted = [
            f'{r["id"]},"{str(r["review"]).replace(chr(34), chr(34) * 2)}",{r["mood"]}\n'
            for r in rows
        ]
        path.write_text("id,review,mood\n" + "".join(quoted))
    settings = guess_source(str(path))
    assert (settings["kind"], settings["text_column"], settings["label_column"]) == (
        "text",
        "review",
        "mood",
    )
    canonical = read(spark, **settings)
    assert sum(counts(canonical).values()) == 60 and canonical.labels == ("no", "so")
    assert any("Columns not used: id" in line for line in canonical.decided)


@pytest.mark.cluster
def test_what_prodigys_annotators_did_not_accept_is_left_out(
    spark: SparkSession, tmp_path: Path
) -> None:
    answers = ("accept", "accept", "accept", "reject", "ignore")
    rows = [
        {"text": text, "label": "so" if y else "no", "answer": answers[i % 5]}
        for i, (text, y) in enumerate(TEXTS)
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    canonical = read(spark, **guess_source(str(tmp_path / "t.jsonl")))
    assert sum(counts(canonical).values()) == 36
    assert any("(12 ignore, 12 reject)" in text for text in canonical.decided)


@pytest.mark.cluster
def test_aclimdb_leaves_out_what_has_no_class(spark: SparkSession, tmp_path: Path) -> None:
    for split in ("Train", "Test"):
        for name in ("neg", "pos", "unsup"):
            folder = tmp_path / "aclImdb" / split / name
            folder.mkdir(parents=True)
            for i in range(10):
                (folder / f"{i}.TXT").write_text(f"{name} {split} {i}")
    settings = guess_source(str(tmp_path))
    assert (settings["kind"], settings["format"]) == ("text", "files")
    canonical = read(spark, **settings)
    assert canonical.labels == ("neg", "pos")
    assert counts(canonical) == {"train": 18, "validation": 2, "test": 20}
    said = "\n".join(canonical.decided)
    assert "Not read: unsup" in said and "one level deeper, in aclImdb/" in said


@pytest.mark.cluster
def test_a_file_per_class_below_split_folders(spark: SparkSession, tmp_path: Path) -> None:
    for split, rows in (("training", 20), ("valid", 5), ("testing", 6)):
        (tmp_path / split).mkdir()
        for name in ("neg", "pos"):
            text = "".join(f"{name} {split} {i}\n" for i in range(rows))
            (tmp_path / split / f"{name}.txt").write_text(text)
    settings = guess_source(str(tmp_path))
    assert settings["format"] == "lines"
    canonical = read(spark, **settings)
    assert counts(canonical) == {"train": 40, "validation": 10, "test": 12}
    assert read(spark, **settings, named_splits=False).official_test is False


@pytest.mark.cluster
def test_a_split_column_of_texts(spark: SparkSession, tmp_path: Path) -> None:
    words = ["train"] * 4 + ["validation", "eval"]
    rows = [
        f'"{t.replace(chr(34), "")}",{y},{words[i // 2 % 6]}\n' for i, (t, y) in enumerate(TEXTS)
    ]
    (tmp_path / "t.csv").write_text("text,label,split\n" + "".join(rows))
    canonical = read(spark, path=str(tmp_path / "t.csv"), format="csv")
    assert counts(canonical) == {"train": 40, "validation": 10, "test": 10}
