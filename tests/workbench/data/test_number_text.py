"""Numbers that are text: signs, units, typeset minus signs, lists beside decimal commas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from tests.workbench.data.test_more_kinds import read, values, write
from workbench import data
from workbench.data.csv_config import CsvConfig
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
    [("-$5", "-5"), ("$-7.5", "-7.5"), ("\u22125", "-5"), ("\u20136 %", "-6"), ("EUR 3", "3"), ("5 kg", "5 kg"),
     ("(1.5)", "-1.5"), ("($1,234.5)", "-1,234.5"), ("$(2)", "-2"), ("3.5-", "-3.5"), ("<0.5", "0.5"), (">= 2", "2"),
     ("(1", "(1"), ("2-3-", "2-3-"), ("<=50K", "50K")],
)  # fmt: skip
def test_signs_and_typeset_minus_signs_are_taken_off(text: str, bare: str) -> None:
    assert strip_signs(text) == bare
    if bare[-1].isdigit() and "(" not in bare:
        column = profile(text, "7.5")  # whole numbers that all stand in brackets count something
        assert float(bare.replace(",", "")) in (column.low, column.high)


def test_whole_numbers_in_brackets_alone_and_small_classes_are_no_measures() -> None:
    assert profile("(1)", "(2)").numbers == 0
    assert profile("(1.5)", "(2)").low == -2
    assert profile("120 130 140", "0 5 255").lists == 2
    assert profile("1,5", "2.5", "3.5").has_other_decimals
    assert not profile("1,234", "2.5", "3.5").has_other_decimals


@pytest.mark.parametrize(
    ("cell", "between", "value"),
    [
        ("1'00{i}.50", ",", 1000.5), ("1\u201900{i}.50", ",", 1000.5), ("1 00{i}.5", ",", 1000.5),
        ("1\u202f00{i},5", ";", 1000.5), ("1\u00a000{i},5", ";", 1000.5), ("1 000 00{i},5", ";", 1000000.5),
        ("1.000.00{i},5", ";", 1000000.5), ("(1,00{i}.5)", "\t", -1000.5), ("$(1.{i}5)", ",", -1.05),
        ("<{i}.5", ",", 0.5), ("{i}.5-", ",", -0.5),
    ],
)  # fmt: skip
def test_numbers_as_countries_and_bookkeepers_write_them(
    spark: SparkSession, tmp_path: Path, cell: str, between: str, value: float
) -> None:
    dot = "," if between == ";" else "."
    rows = [between.join((cell.format(i=i % 8), f"{i}{dot}25", "ab"[i % 2])) for i in range(40)]
    rows += [between.join((f"{i}{dot}5", f"{i}{dot}25", "ab"[i % 2])) for i in range(12)]
    canonical = read(spark, write(tmp_path / "t.csv", [between.join(("x", "y", "label")), *rows]))
    step = 0.1 if value == -1.05 else 1
    sign = 1 if value > 0 else -1
    wanted = [sign * (abs(value) + i % 8 * step) for i in range(40)] + [i + 0.5 for i in range(12)]
    assert [row[0] for row in values(canonical)] == pytest.approx(sorted(wanted))
    said = " ".join(canonical.decided)
    assert ("between thousands" in said) == (abs(value) > 100)
    assert ("Negative: 40 of 52 numbers of x" in said) == (value < 0)
    assert ("Limits: 40 of 52 numbers of x are beyond a limit, as <0.5" in said) == ("<" in cell)


def test_a_band_of_few_values_stays_a_class_and_another_decimal_sign_is_said(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [f'{(0, 1, 2, ">2")[i % 4]},"1.{i:03d}.567,8",{i}.5,{"ab"[i % 2]}' for i in range(40)]
    canonical = read(spark, write(tmp_path / "t.csv", ["children,price,x,label", *rows]))
    said = " ".join(canonical.decided)
    assert "children (category)" in said
    assert "Column not used: price; 40 of its 40 numbers have a decimal comma" in said


def test_a_class_that_is_read_as_missing_is_named_with_its_setting(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [
        f"{('NA', 'EU', 'AS')[i % 3]},{i}.5,{('None', 'mild', 'severe')[i % 3]}" for i in range(30)
    ]
    path = write(tmp_path / "t.csv", ["region,x,label", *rows])
    canonical = read(spark, path)
    said = [sentence for sentence in canonical.decided if sentence.startswith("Missing: ")]
    assert "the label is missing in 10 of 30 rows" in said[1]
    assert "Read as no value: None (10)" in said[1]
    assert "Read as no value: NA (10)" in said[0]
    setting = said[1].split("data.source.csv.missing=")[1].split("'")[0]
    missing = tuple(word for word in json.loads(setting) if word != "NA")
    canonical = read(spark, path, csv=CsvConfig(missing=missing))
    assert canonical.labels == ("None", "mild", "severe")
    assert canonical.frame.count() == 30


@pytest.mark.parametrize("task", ["classes", "values"])
@pytest.mark.parametrize("marker", ["-999", "1,000"])
def test_a_number_that_stands_for_no_value_is_none(
    spark: SparkSession, tmp_path: Path, marker: str, task: str
) -> None:
    cells = [marker if i % 10 == 0 else f"{i / 2}" for i in range(60)]
    labels = [marker if i % 20 == 5 else f"{i % 3}" for i in range(60)]
    rows = (
        f'"{a}",{i % 7},"{label}"' for i, (a, label) in enumerate(zip(cells, labels, strict=True))
    )
    path = write(tmp_path / "t.csv", ["a,b,label", *rows])
    chosen = CsvConfig(missing=(marker,))
    canonical = read(spark, path, label="label", task=task, csv=chosen)
    assert canonical.frame.count() == 60 - 6 - 3
    assert canonical.bad is not None and canonical.bad.count() == 6 + 3
    assert canonical.labels == (("0", "1", "2") if task == "classes" else None)
    filled = read(spark, path, label="label", task=task, csv=chosen, fill=0.0)
    assert filled.frame.count() == 60 - 3
    assert min(values(filled))[0] == 0


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
