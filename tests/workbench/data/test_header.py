"""Headers of CSV files as people have them: twice, on several lines, in single quotes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.workbench.data.test_more_kinds import read, values, write
from workbench.data import guess_source
from workbench.data.csv_config import CsvConfig
from workbench.data.dialect import find_dialect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROWS = [f"{i % 7}.5,{i},{'xy'[i % 2]}" for i in range(30)]
EXPECTED = sorted([i % 7 + 0.5, i] for i in range(30))


@pytest.mark.cluster
@pytest.mark.parametrize(
    "header", ["a,b,label", '"a","b","label"', "\ufeffa,b,label", "a, b, label"]
)
def test_a_header_that_is_there_again_is_left_out(
    spark: SparkSession, tmp_path: Path, header: str
) -> None:
    again = header.lstrip("\ufeff")
    path = write(tmp_path / "t.csv", [header, *ROWS[:9], again, again, *ROWS[9:], again])
    canonical = read(spark, path, features=("a", "b"))
    assert values(canonical) == EXPECTED
    assert canonical.labels == ("x", "y")
    assert canonical.bad is not None
    assert canonical.bad.count() == 0
    said = "Left out: 3 rows that repeat the names of the columns, as files put together have them."
    assert said in canonical.decided


@pytest.mark.cluster
def test_a_header_again_beside_spaces_and_beside_text(spark: SparkSession, tmp_path: Path) -> None:
    rows = [row.replace(",", "   ") for row in ROWS]
    path = write(tmp_path / "t.txt", ["a  b  label", *rows[:9], "a  b  label", *rows[9:]])
    canonical = read(spark, path, features=("a", "b"))
    assert values(canonical) == EXPECTED
    assert "Left out: 1 rows that repeat" in " ".join(canonical.decided)
    texts = [f"a text of {i} words,{'xy'[i % 2]}" for i in range(30)]
    path = write(tmp_path / "u.csv", ["text,label", *texts[:9], "text,label", *texts[9:]])
    assert guess_source(str(path))["text_column"] == "text"


@pytest.mark.cluster
def test_more_lines_of_a_header_are_left_out(spark: SparkSession, tmp_path: Path) -> None:
    for more in (["mm,kg,"], ["mean,std,kind"], ["mean,std,", "id,,"]):
        canonical = read(
            spark, write(tmp_path / "t.csv", ["a,b,label", *more, *ROWS]), features=("a", "b")
        )
        assert values(canonical) == EXPECTED
        assert canonical.labels == ("x", "y")
        assert canonical.bad is not None
        assert canonical.bad.count() == 0
        first = more[0].replace(",", ", ")
        assert f"Left out: the line '{first}' below the names" in " ".join(canonical.decided)


def test_a_wrong_cell_is_no_second_header(tmp_path: Path) -> None:
    for first in ("broken,5,x", "broken,NA,x", ",,x", "none yet,none yet,x"):
        path = write(tmp_path / "t.csv", ["a,b,label", first, *ROWS, "none yet,none yet,y"])
        assert find_dialect(path, CsvConfig()).more_lines == ()


@pytest.mark.cluster
def test_single_quotes_are_quotes(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"'{i % 7}.5',{i},'it''s, {'xy'[i % 2]}'" for i in range(30)]
    canonical = read(
        spark, write(tmp_path / "t.csv", ["'a','b','label'", *rows]), features=("a", "b")
    )
    assert values(canonical) == EXPECTED
    assert canonical.labels == ("it's, x", "it's, y")
    assert "single quotes around cells" in canonical.decided[0]


@pytest.mark.parametrize("cell", ["it's", "'tis so", "rock 'n' roll", "the dogs'", "['a', 'b']"])
def test_apostrophes_are_no_quotes(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "t.tsv", ["text\tlabel", *[f"{cell}\t{i % 2}" for i in range(30)]])
    assert find_dialect(path, CsvConfig()).quote == '"'
