"""Formats by names and content, and which files give no row; no Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import DataError
from workbench.scoring.inputs import count_skipped, find_format, list_files
from workbench.spark_errors import describe_failure


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("a.png", "_b.JPG", "labels.csv"), "binaryFile"),
        (("cat/a.png", "dog/b.png"), "binaryFile"),
        (("_SUCCESS", "part-0.snappy.parquet"), "parquet"),
        (("a.csv",), "csv"),
        (("a.jsonl", "b.ndjson"), "json"),
        (("a.csv.gz",), "csv"),
        (("a.txt",), "text"),
    ],
)
def test_a_folders_format_is_found(tmp_path: Path, names: tuple[str, ...], form: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_format(str(tmp_path)) == form


def test_a_files_format_is_found_by_its_content_where_its_name_says_none(tmp_path: Path) -> None:
    for content, form in ((b"PAR1....", "parquet"), (b'{"a": 1}', "json")):
        (tmp_path / "file").write_bytes(content)
        assert find_format(str(tmp_path / "file")) == form
    (tmp_path / "file").write_bytes(bytes(9))
    with pytest.raises(DataError, match=r"no known format .file.*--format"):
        find_format(str(tmp_path / "file"))
    with pytest.raises(DataError, match="nothing is there"):
        find_format(str(tmp_path / "other"))


def test_every_file_is_a_row_or_counted(tmp_path: Path) -> None:
    for name in ("a.png", "_b.png", ".c.png", ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    files, unread = list_files(tmp_path)
    assert [file.name for file in files] == ["_b.png", "a.png"]
    assert sum(unread.values()) == 2 and any(".DS_Store" in reason for reason in unread)
    assert sum(count_skipped(tmp_path).values()) == 4


def test_a_failure_of_spark_is_one_sentence_without_java() -> None:
    text = (
        "An error occurred while calling o61.save.\n: org.apache.spark.SparkException: Job aborted.\n"
        "\tat org.apache.spark.X.y(X.scala:1)\n"
        "Caused by: java.lang.RuntimeException: file:/a.png is not a Parquet file.\n\tat z.Z\n"
    )
    assert describe_failure(RuntimeError(text)) == "file:/a.png is not a Parquet file."
