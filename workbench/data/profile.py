"""What the columns of a table hold, counted where the rows are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.columns import quote

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

NUMBER = r"[+-]?(\d{1,3}(,\d{3})+(\.\d*)?|\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
"""With a decimal point, and maybe commas between thousands."""
COMMA_NUMBER = r"[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?([eE][+-]?\d+)?"
SIGN_BEFORE = r"^(?:US\$|[$€£¥]|USD|EUR|GBP|CHF|JPY)\s*"
SIGN_AFTER = r"\s*(?:[%‰$€£¥]|USD|EUR|GBP|CHF|JPY)$"
"""Signs of money and shares around a number."""
_NUM = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NEXT = rf"(?:\s*[,;]\s*|\s+){_NUM}"
LIST = rf"(?:\[\s*{_NUM}(?:{_NEXT})*\s*\]|{_NUM}(?:{_NEXT}){{2,}})"
"""Numbers after one another: 0.1 0.2 0.3, or [0.1, 0.2]."""
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?"
_BOOLEAN = r"(?i)true|false|yes|no|t|f|y|n"
_MOST_NUMBERS = 0.9
"""From this share of numbers on, a column of text is one of numbers with wrong cells."""
MOST_VALUES = 200
"""Different values that are kept of a column."""


@dataclass
class Column:
    """One column, over all rows. Counts of text are of cells that are there."""

    rows: int = 0
    missing: int = 0
    numbers: int = 0
    wholes: int = 0
    dates: int = 0
    booleans: int = 0
    lists: int = 0
    """Texts that are several numbers."""
    signs: int = 0
    """Numbers with a sign of money or a share: $5, 3 %."""
    grouped: int = 0
    """Numbers with signs between their thousands: 12,345."""
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
    def is_number(self) -> bool:
        return self.present > 0 and self.numbers >= _MOST_NUMBERS * self.present

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
        if self.numbers == self.present > 0:
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
            "grouped",
            "lists",
            "signs",
            "total",
            "words",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.squares = (self.squares + other.squares) % 2**64
        self.low = min((x for x in (self.low, other.low) if x is not None), default=None)
        self.high = max((x for x in (self.high, other.high) if x is not None), default=None)
        self.many |= other.many
        self.odd = self.odd or other.odd
        self.count(other.values)

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
    from pyspark.sql import functions as F

    # By number: Spark reads a dot in a name (`Sepal.Length`) as a field's, here even in backticks.
    by_number = {f"c{i}": name for i, name in enumerate(names)}
    chosen = [F.col(quote(name)).alias(short) for short, name in by_number.items()]
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
    for row in frame.select(*chosen).mapInArrow(count, "profile string").collect():
        for short, fields in json.loads(row["profile"]).items():
            total[by_number[short]].merge(Column(**fields))
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
    if not len(present):
        return

    def matches(pattern: str) -> pa.Array:
        return pc.match_substring_regex(present, f"^({pattern})$")

    pattern = COMMA_NUMBER if decimal == "," else NUMBER
    bare = pc.replace_substring_regex(present, SIGN_BEFORE, "")
    bare = pc.replace_substring_regex(bare, SIGN_AFTER, "")
    is_number = pc.match_substring_regex(bare, f"^({pattern})$")
    column.signs = int(pc.sum(pc.and_(is_number, pc.not_equal(bare, present))).as_py() or 0)
    numbers = bare.filter(is_number)
    group = "." if decimal == "," else ","
    if len(numbers):
        grouped = pc.match_substring_regex(numbers, rf"\d[{group}]\d{{3}}")
        column.grouped = int(pc.sum(grouped).as_py() or 0)
    numbers = pc.replace_substring(numbers, group, "")
    if decimal == ",":
        numbers = pc.replace_substring(numbers, ",", ".")
    if len(numbers):
        plain = pc.replace_substring_regex(numbers, r"^\+", "")
        _add_numbers(pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False), column)
    if len(numbers) < len(present):
        odd = present.filter(pc.invert(is_number))
        column.odd = odd[0].as_py()[:40]
        column.lists = int(pc.sum(matches(LIST)).as_py() or 0)
        column.dates = int(pc.sum(matches(_DATE)).as_py() or 0)
        column.booleans = int(pc.sum(matches(_BOOLEAN)).as_py() or 0)
        column.words = int(pc.sum(pc.add(pc.count_substring_regex(present, r"\s+"), 1)).as_py())
    counts = pc.value_counts(present)
    column.count(
        {row["values"].as_py(): row["counts"].as_py() for row in counts}
        if len(counts) <= MOST_VALUES
        else {str(i): 0 for i in range(MOST_VALUES + 1)}
    )


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
