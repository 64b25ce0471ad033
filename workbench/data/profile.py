"""What the columns of a table hold, counted where the rows are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.columns import quote
from workbench.data.number_text import (
    between_thousands,
    count_groups,
    count_limits,
    count_negatives,
    count_signs,
    find_mixture,
    find_units,
    list_pattern,
    number_pattern,
    plain_pattern,
    same_unit,
    strip_signs_in_arrow,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?"
_BOOLEAN = r"(?i)true|false|yes|no|t|f|y|n"
_MOST_NUMBERS = 0.9
"""From this share of numbers on, a column of text is one of numbers with wrong cells."""
MOST_VALUES = 200
"""Different values that are kept of a column."""
_MOST_UNITS = 20


@dataclass
class Column:
    """One column, over all rows. Counts of text are of cells that are there."""

    rows: int = 0
    missing: int = 0
    numbers: int = 0
    wholes: int = 0
    dates: int = 0
    booleans: int = 0
    plain: int = 0
    """Numbers that are written as in a program."""
    lists: int = 0
    """Texts that are several numbers."""
    signs: dict[str, int] = field(default_factory=dict)
    """How many numbers have each sign of money or a share: $5, 3 %."""
    units: dict[str, int] = field(default_factory=dict)
    """How many texts are a number with each unit: 5 kg."""
    unit_low: float | None = None
    unit_high: float | None = None
    with_unit: str | None = None
    """A cell that is a number with a unit."""
    unit: str | None = None
    """The unit that all numbers have; they count as numbers then."""
    codes: int = 0
    """Numbers that begin with a 0 before another digit, as codes do: 007."""
    grouped: dict[str, int] = field(default_factory=dict)
    """How many numbers have each sign between their thousands: 12,345."""
    negatives: int = 0
    """Numbers that are negative by brackets or a minus after them: (1.23), 1.23-."""
    limits: int = 0
    """Numbers with a sign of a limit before them: <0.5."""
    limit: str | None = None
    """A cell that is such a number."""
    other_decimals: int = 0
    """Texts that are numbers with the other decimal sign only."""
    markers: dict[str, int] = field(default_factory=dict)
    """How many cells hold each word that stands for no value: NA, None."""
    low: float | None = None
    """Smallest number, and the largest."""
    high: float | None = None
    total: float = 0.0
    squares: int = 0
    """Sum of the squares of whole numbers, modulo 2**64."""
    words: int = 0
    values: dict[str, int] = field(default_factory=dict)
    """How often each text is there; not complete where `many`."""
    many: bool = False
    """More than MOST_VALUES different values."""
    odd: str | None = None
    """A cell that is no number."""

    @property
    def present(self) -> int:
        return self.rows - self.missing

    @property
    def is_plain(self) -> bool:
        """Whether all cells are numbers as in a program, or empty."""
        return self.plain == self.present > 0 and not self.markers

    @property
    def is_number(self) -> bool:
        return self.present > 0 and self.numbers >= _MOST_NUMBERS * self.present

    @property
    def used_units(self) -> tuple[str, ...]:
        """The unit as it is written, where all numbers have it; `day` and `days` are both there."""
        return tuple(self.units) if self.unit is not None else ()

    @property
    def has_signs(self) -> bool:
        """Whether something around the numbers is taken off, or says that they are negative."""
        return bool(self.signs or self.negatives or self.limits)

    @property
    def mixture(self) -> str | None:
        """Signs or units of a column of numbers that do not belong together, with counts."""
        bare = self.numbers - sum(self.signs.values())
        if self.unit is not None or bare + sum([*self.signs.values(), *self.units.values()]) < (
            _MOST_NUMBERS * self.present
        ):
            return None
        return find_mixture(self.signs, self.units, bare)

    @property
    def has_other_decimals(self) -> bool:
        """Whether the column is of numbers, and some have another decimal sign than the table."""
        numbers = self.numbers + self.other_decimals
        return (
            not self.is_number and 0 < self.other_decimals >= 0.1 * numbers >= 0.09 * self.present
        )

    @property
    def is_boolean(self) -> bool:
        return 0 < self.present == self.booleans and len(self.values) == 2

    @property
    def is_date(self) -> bool:
        return self.present > 0 and self.dates >= _MOST_NUMBERS * self.present

    @property
    def is_list(self) -> bool:
        return self.present > 0 and self.lists >= _MOST_NUMBERS * self.present

    @property
    def is_constant(self) -> bool:
        if self.numbers == self.present > 0 and not self.mixture:
            return self.low == self.high
        return not self.many and len(self.values) == 1

    @property
    def counts_rows(self) -> bool:
        """Whether the values are whole numbers one after the other, each there once."""
        if self.present < 3 or self.wholes < self.rows or self.low is None or self.high is None:
            return False
        first, last, n = int(self.low), int(self.high), self.rows
        if last - first + 1 != n or self.total != (first + last) * n / 2:
            return False
        return sum_of_squares(first, last) % 2**64 == self.squares

    def merge(self, other: Column) -> None:
        for name in (
            "rows",
            "missing",
            "numbers",
            "wholes",
            "dates",
            "booleans",
            "negatives",
            "limits",
            "other_decimals",
            "plain",
            "lists",
            "codes",
            "total",
            "words",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.squares = (self.squares + other.squares) % 2**64
        for name, choose in (("low", min), ("high", max), ("unit_low", min), ("unit_high", max)):
            both = (getattr(self, name), getattr(other, name))
            setattr(self, name, choose((x for x in both if x is not None), default=None))
        self.many |= other.many
        self.odd = self.odd or other.odd
        self.with_unit = self.with_unit or other.with_unit
        self.limit = self.limit or other.limit
        for name, number in other.markers.items():
            self.markers[name] = self.markers.get(name, 0) + number
        for mine, others in (
            (self.signs, other.signs),
            (self.units, other.units),
            (self.grouped, other.grouped),
        ):
            for name, number in others.items():
                if name in mine or len(mine) < _MOST_UNITS:
                    mine[name] = mine.get(name, 0) + number
        self.count(other.values)

    def settle(self) -> None:
        """Once all rows are counted: numbers that all have the same unit are numbers.

        Whole numbers that all stand in brackets count something, as (1), and are none below zero.
        """
        if self.numbers and self.negatives == self.numbers == self.wholes:
            self.numbers = self.wholes = self.negatives = 0
            self.low = self.high = None
            self.odd = self.odd or next(iter(self.values), None)
        with_units = sum(self.units.values())
        one = len(set(map(same_unit, self.units))) == 1
        if one and not self.numbers and with_units >= _MOST_NUMBERS * self.present:
            self.unit = same_unit(next(iter(self.units)))
            self.numbers, self.low, self.high = with_units, self.unit_low, self.unit_high
        else:
            self.odd = self.odd or self.with_unit

    def count(self, values: Any) -> None:
        """Add counts of values, up to the largest number that is kept."""
        if self.many:
            return
        for value, number in values.items():
            self.values[value] = self.values.get(value, 0) + number
        if len(self.values) > MOST_VALUES:
            self.many, self.values = True, {}


def sum_of_squares(first: int, last: int) -> int:
    """Of the whole numbers from first to last."""

    def up_to(k: int) -> int:
        return k * (k + 1) * (2 * k + 1) // 6

    return up_to(last) - up_to(first - 1)


def profile_columns(
    frame: DataFrame, names: Collection[str], *, missing: Collection[str], decimal: str
) -> dict[str, Column]:
    """Each named column's profile; one Spark job.

    Args:
        names: columns of text, numbers, booleans, dates or timestamps.
        missing: texts that stand for no value.
        decimal: sign in numbers that are text.
    """
    # By number: Spark reads a dot in a name (`Sepal.Length`) as a field's, here even in backticks.
    by_number = {f"c{i}": name for i, name in enumerate(names)}
    chosen = [f"{quote(name)} AS {short}" for short, name in by_number.items()]
    markers = frozenset(missing)

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        columns: dict[str, Column] = {}
        for batch in batches:
            for name, values in zip(batch.schema.names, batch.columns, strict=True):
                columns.setdefault(name, Column()).merge(count_column(values, markers, decimal))
        text = json.dumps({name: asdict(column) for name, column in columns.items()})
        yield pa.RecordBatch.from_pydict({"profile": pa.array([text], pa.string())})

    total = {name: Column() for name in names}
    for row in frame.selectExpr(*chosen).mapInArrow(count, "profile string").collect():
        for short, fields in json.loads(row["profile"]).items():
            total[by_number[short]].merge(Column(**fields))
    for column in total.values():
        column.settle()
    return total


def count_column(values: pa.Array, missing: frozenset[str], decimal: str) -> Column:
    """The profile of an Arrow array."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = Column(rows=len(values), missing=values.null_count)
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        _count_text(values, missing, decimal, column)
    elif pa.types.is_boolean(kind):
        column.booleans = column.present
        column.count(
            {str(v).lower(): n for v, n in Counter(values.drop_null().to_pylist()).items()}
        )
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = values.drop_null()
        plain = pc.cast(numbers, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        _add_numbers(plain, column)
        unique, counts = np.unique(plain[np.isfinite(plain)], return_counts=True)
        if len(unique) > MOST_VALUES:
            column.many = True
        else:
            column.count({f"{v:.15g}": int(n) for v, n in zip(unique, counts, strict=True)})
    elif pa.types.is_temporal(kind):
        column.dates = column.present
    return column


def _count_text(values: pa.Array, missing: frozenset[str], decimal: str, column: Column) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(values.drop_null())
    marked = pc.is_in(trimmed, value_set=pa.array(sorted(missing), trimmed.type))
    present = trimmed.filter(pc.invert(marked))
    column.missing = len(values) - len(present)
    found = pc.value_counts(trimmed.filter(marked)).to_pylist()
    column.markers = {row["values"]: row["counts"] for row in found if row["values"]}
    if not len(present):
        return

    def matches(pattern: str) -> pa.Array:
        return pc.match_substring_regex(present, f"^({pattern})$")

    is_plain = matches(plain_pattern(decimal))
    column.plain = int(pc.sum(is_plain).as_py() or 0)
    counts = pc.value_counts(present)
    column.count(
        dict(zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True))
        if len(counts) <= MOST_VALUES
        else {str(i): 0 for i in range(MOST_VALUES + 1)}
    )
    if column.plain == len(present):
        column.codes = int(pc.sum(pc.match_substring_regex(present, r"^[+-]?0\d")).as_py() or 0)
        _add_numbers(_to_floats(present, decimal), column)
        return
    bare = strip_signs_in_arrow(present)
    is_number = pc.match_substring_regex(bare, f"^({number_pattern(decimal)})$")
    numbers = bare.filter(is_number)
    if len(numbers):
        written = present.filter(is_number)
        column.signs = count_signs(written)
        column.negatives, column.limits = count_negatives(written), count_limits(written)
        if column.limits:
            column.limit = next(t for t in written.to_pylist() if t[0] in "<>≤≥")[:40]
        column.grouped = count_groups(numbers, decimal)
        codes = pc.match_substring_regex(numbers, r"^[+-]?0\d")
        column.codes = int(pc.sum(codes).as_py() or 0)
        _add_numbers(_to_floats(numbers, decimal), column)
    column.lists = int(pc.sum(matches(list_pattern(decimal))).as_py() or 0)
    if len(numbers) < len(present):
        odd = present.filter(pc.invert(is_number))
        values, units = find_units(odd, decimal)
        if values.null_count < len(values):
            with_units = Column()
            _add_numbers(_to_floats(values.drop_null(), decimal), with_units)
            column.unit_low, column.unit_high = with_units.low, with_units.high
            for row in pc.value_counts(units.drop_null()).to_pylist()[:_MOST_UNITS]:
                column.units[row["values"]] = row["counts"]
            column.with_unit = odd.filter(values.is_valid())[0].as_py()[:40]
        if values.null_count:
            column.odd = odd.filter(values.is_null())[0].as_py()[:40]
        other = "." if decimal == "," else ","
        others = pc.match_substring_regex(odd, f"^({number_pattern(other)})$")
        column.other_decimals = int(pc.sum(others).as_py() or 0)
        column.dates = int(pc.sum(matches(_DATE)).as_py() or 0)
        column.booleans = int(pc.sum(matches(_BOOLEAN)).as_py() or 0)
        column.words = int(pc.sum(pc.add(pc.count_substring_regex(present, r"\s+"), 1)).as_py())


def _to_floats(numbers: pa.Array, decimal: str) -> np.ndarray:
    """Texts that are numbers, as float64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.replace_substring_regex(numbers, f"[{between_thousands(decimal)}]", "")
    numbers = pc.replace_substring(numbers, ",", ".") if decimal == "," else numbers
    plain = pc.replace_substring_regex(numbers, r"^\+", "")
    return pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False)


def _add_numbers(numbers: np.ndarray, column: Column) -> None:
    finite = numbers[np.isfinite(numbers)]
    column.missing += len(numbers) - len(finite)
    column.numbers += len(finite)
    if not len(finite):
        return
    is_whole = finite == np.floor(finite)
    column.wholes = int(is_whole.sum())  # ids may be larger than a double can count
    whole = finite[is_whole & (np.abs(finite) < 2**53)]
    column.low, column.high = float(finite.min()), float(finite.max())
    column.total = float(finite.sum())
    with np.errstate(over="ignore"):
        column.squares = int((whole.astype(np.int64).astype(np.uint64) ** 2).sum(dtype=np.uint64))
