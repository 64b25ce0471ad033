"""Numbers that are text: signs, units, typeset minus signs, lists beside decimal commas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.workbench.data.test_more_kinds import read, values, write
from workbench import data
from workbench.data.number_text import strip_signs
from workbench.data.profile import Column, count_column
from workbench.data.sources import SeriesSource, TableSource
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def profile(*cells: str, decimal: str = ".") -> Column:
    column = count_column(pa.array(cells), frozenset(), decimal)
    column.settle()
    return column


@pytest.mark.parametrize(
    ("text", "bare"),
    [("-$5", "-5"), ("$-7.5", "-7.5"), ("\u22125", "-5"), ("\u20136 %", "-6"), ("EUR 3", "3"), ("5 kg", "5 kg")],
)  # fmt: skip
def test_signs_and_typeset_minus_signs_are_taken_off(text: str, bare: str) -> None:
    assert strip_signs(text) == bare
    if bare[-1].isdigit():
        assert profile(text).low == float(bare)


def test_one_unit_makes_numbers_and_several_do_not() -> None:
    kilos = profile("5 kg", "7.5kg", "1,200 kg")
    assert (kilos.is_number, kilos.low, kilos.high, kilos.unit) == (True, 5, 1200, "kg")
    assert profile("1 day", "2 days").unit == "day"
    assert profile("1.234,5 kg", "2,5 kg", decimal=",").high == 1234.5
    mixed = {
        ("5 kg", "300 g"): "kg (1), g (1)",
        ("5 kg", "7"): "kg (1), none (1)",
        ("5 %", "0.05"): "% (1), none (1)",
        ("$5", "€3", "USD 4"): "$ (2), € (1)",
    }
    for cells, mixture in mixed.items():
        assert profile(*cells).mixture == mixture
    assert profile("$5", "7").mixture is None  # money is often written without its sign
    assert profile("1e5", "2E-3").units == {}
    few = profile("a", "b", "5 kg")
    assert (few.is_number, few.mixture, few.odd) == (False, None, "a")


def test_a_decimal_comma_divides_no_list() -> None:
    assert profile("1,5 2,5 3,5", decimal=",").lists == 1
    assert profile("1,5", "2,5", decimal=",").lists == 0


def test_units_lists_and_codes_of_a_table(spark: SparkSession, tmp_path: Path) -> None:
    rows = [f"{i % 9} kg,\u2212{i}.5,{i}{'kg'[i % 2]},{('5%', '10%')[i % 2]}" for i in range(40)]
    path = write(tmp_path / "t.csv", ["weight,shift,mass,label", *rows])
    canonical = read(spark, path)
    assert values(canonical) == sorted([i % 9, -i - 0.5] for i in range(40))
    assert canonical.labels == ("5%", "10%")
    said = " ".join(canonical.decided)
    assert "the numbers of weight have the unit kg" in said
    assert (
        "Column not used: mass; its numbers have different signs or units, k (20), g (20)" in said
    )
    measured = TableSource(
        path=str(path), format="csv", features=("shift",), label="weight", task="values"
    )
    assert {row["label"] for row in data.read(measured, spark).frame.collect()} == set(range(9))
    rows = [f"1,{i} 2,5 3,5;{'ab'[i % 2]}" for i in range(40)]
    canonical = read(spark, write(tmp_path / "u.csv", ["pixels;label", *rows, "1,5 2,5 3,5;a"]))
    assert values(canonical)[-1][1:] == [2.5, 3.5]


def test_channels_of_several_units_are_refused_where_they_are_named(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f"{i},{i} {('kg', 'g')[i % 2]},{i} m" for i in range(30)]
    path = str(write(tmp_path / "t.csv", ["time,a,b", *rows]))
    canonical = data.read(SeriesSource(path=path, targets=("b",), length=5), spark)
    assert canonical.feature_names == ("b",)
    assert "Units: the numbers of b have the unit m, which is taken off." in canonical.decided
    assert [row["c0"] for row in canonical.frame.orderBy("time").collect()] == list(range(30))
    with pytest.raises(DataError, match=r"channel 'a' have different .* kg \(15\), g \(15\)"):
        data.read(SeriesSource(path=path, targets=("a",), channels=("a",), length=5), spark)


def test_classes_that_are_long_numbers_stay_apart(spark: SparkSession, tmp_path: Path) -> None:
    names = [str(2**53), str(2**53 + 1)]
    rows = [f"{i}.5,{names[i % 2]}" for i in range(40)]
    assert read(spark, write(tmp_path / "t.csv", ["x,label", *rows])).labels == tuple(names)
