"""Numbers that are text: thousands, decimal commas, signs of money and shares, units, negatives in brackets, limits.

The same rules in Python, in Arrow's functions and in Spark's: all of them take these patterns.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from workbench.data.columns import quote

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column

_BETWEEN = "'\u2019\u00a0\u2009\u202f "
"""Between thousands beside comma and point: 1'000 in Switzerland, 1 000 with any space in France and Sweden."""
GROUPS = rf"\d{{1,3}}(?:[{_BETWEEN}]\d{{3}}){{1,3}}"
"""Digits with such a sign between thousands."""
_NUMBER = (
    rf"[+-]?(?:(?:\d{{1,3}}(?:,\d{{3}})+|{GROUPS})(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
)
"""With a decimal point, and maybe signs between thousands."""
_COMMA_NUMBER = rf"[+-]?(?:\d{{1,3}}(?:\.\d{{3}})+|{GROUPS}|\d+)(?:,\d+)?(?:[eE][+-]?\d+)?"
_SIGN = r"US\$|[$€£¥]|USD|EUR|GBP|CHF|JPY"
_BEFORE = rf"^([+-]?)\s*(?:{_SIGN})\s*([+-]?)"
_AFTER = rf"\s*(?:[%‰]|{_SIGN})$"
_LIMIT = r"^[<>≤≥]=?\s*"
"""Before a number that was too small or too large to be measured: <0.5."""
_BRACKETS = rf"^((?:{_SIGN})?)\s*\(\s*((?:{_SIGN})?\s*[\d.][^()+-]*)\)$"
"""A negative number as bookkeepers write it: (1.23), or $(1.23)."""
_TRAILING = r"^(\d[\d.,]*)-$"
"""A negative number as SAP writes it: 1.23-."""
_SPACES = " \t\r\n\u00a0\u2009\u202f\u3000\ufeff"
_UNIT = r"[A-Za-zµμΩ°][A-Za-z0-9µμΩ°/²³^·]{0,9}"
_PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_COMMA_PLAIN = r"[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?"
_MINUS = "\u2212\u2013"
"""The minus sign and the dash that typesetting puts in place of a hyphen."""
_SAME = {"US$": "$", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_SHARES = ("%", "‰")
_REPLACED = (
    (_LIMIT, ""),
    (_BRACKETS, r"-\1\2"),
    (_TRAILING, r"-\1"),
    (_BEFORE, r"\1\2"),
    (_AFTER, ""),
)
"""In this order."""


def number_pattern(decimal: str) -> str:
    """A regular expression of a number without signs and units, for whole texts."""
    return _COMMA_NUMBER if decimal == "," else _NUMBER


def plain_pattern(decimal: str) -> str:
    """A regular expression of a number that is written as in a program."""
    return r"[+-]?\d+" if decimal == "," else _PLAIN


def list_pattern(decimal: str) -> str:
    """Of several numbers after one another: 0.1 0.2 0.3, or [0.1, 0.2]."""
    number, between = (_COMMA_PLAIN, ";") if decimal == "," else (_PLAIN, "[,;]")
    after = rf"(?:\s*{between}\s*|\s+){number}"
    return rf"(?:\[\s*{number}(?:{after})*\s*\]|{number}(?:{after}){{2,}})"


def strip_signs(text: str) -> str:
    """A number without a sign of money, a share or a limit around it, and with its minus before it."""
    text = text.translate(dict.fromkeys(map(ord, _MINUS), "-"))
    for pattern, instead in _REPLACED:
        text = re.sub(pattern, instead, text)
    return text


def parse_number(text: str, decimal: str) -> float:
    """A cell that is a number with that decimal sign."""
    bare = strip_signs(text)
    for sign in between_thousands(decimal):
        bare = bare.replace(sign, "")
    return float(bare.replace(",", "."))


def is_number(text: str, decimal: str) -> bool:
    """Whether a cell is a number with that decimal sign."""
    bare = strip_signs(text)
    return bool(
        re.fullmatch(_NUMBER, bare) or (decimal == "," and re.fullmatch(_COMMA_NUMBER, bare))
    )


def strip_signs_in_arrow(texts: pa.Array) -> pa.Array:
    """The same for an array of text."""
    import pyarrow.compute as pc

    for minus in _MINUS:
        texts = pc.replace_substring(texts, minus, "-")
    for pattern, instead in _REPLACED:
        texts = pc.replace_substring_regex(texts, pattern, instead)
    return texts


def count_signs(texts: pa.Array) -> dict[str, int]:
    """How many texts have each sign of money or a share."""
    return _count(texts, rf"(?P<part>[%‰]|{_SIGN})")


def count_negatives(texts: pa.Array) -> int:
    """How many numbers are negative as bookkeepers or SAP write it: (1.23), 1.23-."""
    return _count_matches(texts, rf"{_BRACKETS}|{_TRAILING}")


def count_limits(texts: pa.Array) -> int:
    """How many numbers have a sign of a limit before them: <0.5."""
    return _count_matches(texts, _LIMIT)


def count_groups(texts: pa.Array, decimal: str) -> dict[str, int]:
    """How many numbers have each sign between their thousands."""
    return _count(texts, rf"\d(?P<part>[{between_thousands(decimal)}])\d{{3}}")


def between_thousands(decimal: str) -> str:
    """The signs that may be between thousands, for a regular expression's class of characters."""
    return ("." if decimal == "," else ",") + _BETWEEN


def _count_matches(texts: pa.Array, pattern: str) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0)


def find_units(texts: pa.Array, decimal: str) -> tuple[pa.Array, pa.Array]:
    """Of each text that is a number with a unit, as 5 kg: the number and the unit; else null."""
    import pyarrow.compute as pc

    for minus in _MINUS:
        texts = pc.replace_substring(texts, minus, "-")
    pattern = rf"^(?P<number>{number_pattern(decimal)})\s*(?P<unit>{_UNIT})$"
    parts = pc.extract_regex(texts, pattern)
    return pc.struct_field(parts, "number"), pc.struct_field(parts, "unit")


def _count(texts: pa.Array, pattern: str) -> dict[str, int]:
    import pyarrow.compute as pc

    parts = pc.struct_field(pc.extract_regex(texts, pattern), "part").drop_null()
    return {row["values"].as_py(): row["counts"].as_py() for row in pc.value_counts(parts)}


def find_mixture(signs: dict[str, int], units: dict[str, int], without: int) -> str | None:
    """Signs or units that do not belong together, as `kg (20), g (3)`; None: all are alike.

    Money is often written with and without its sign; a share or another unit is not.

    Args:
        without: numbers without a sign and a unit.
    """
    parts: dict[str, int] = {}
    for name, count in [*signs.items(), *units.items()]:
        same = same_unit(name)
        parts[same] = parts.get(same, 0) + count
    if without and (units or any(name in _SHARES for name in parts)):
        parts["none"] = without
    if len(parts) < 2:
        return None
    return ", ".join(f"{name} ({count})" for name, count in list(parts.items())[:5])


def same_unit(name: str) -> str:
    """One name for a unit or sign that is written in several ways: days is day, EUR is €."""
    return _SAME.get(name, name[:-1] if len(name) > 2 and name.endswith("s") else name)


def number_of(
    name: str,
    decimal: str,
    missing: Collection[str],
    *,
    signs: bool = True,
    units: Collection[str] = (),
) -> Column:
    """A column of text as doubles; null for text that is no number.

    Args:
        missing: texts that stand for no value, and may be numbers as -999.
        signs: numbers may have a sign of money, a share or a limit, which is taken off, and be negative
            in brackets.
        units: what may stand after a number, and is taken off.
    """
    from pyspark.sql import functions as F

    text = F.translate(trim_text(name), _MINUS, "-" * len(_MINUS))
    if units:
        written = "|".join(re.escape(unit) for unit in units)
        text = F.regexp_replace(text, rf"\s*(?:{written})$", "")
    elif signs:
        for pattern, instead in _REPLACED:
            text = F.regexp_replace(text, pattern, instead.replace("\\", "$"))
    plain = F.translate(text, between_thousands(decimal), "")
    if decimal == ",":
        plain = F.replace(plain, F.lit(","), F.lit("."))
    number = F.when(text.rlike(f"^({number_pattern(decimal)})$"), plain.cast("double"))
    # Most cells need none of this, which takes five times as long.
    bare = F.col(quote(name))
    is_plain = bare.rlike(f"^(?:{plain_pattern(decimal)})$")
    value = F.when(is_plain, bare.cast("double")).otherwise(number)
    numbers = [text for text in missing if is_number(text, decimal)]
    return F.when(~trim_text(name).isin(*numbers), value) if numbers else value


def plain_number_of(name: str) -> Column:
    """A column of text whose cells are all numbers as `plain_pattern` says, or nothing, as doubles.

    Much less to plan than `number_of`: tables of pictures have 784 columns.
    """
    from pyspark.sql import functions as F

    return F.expr(f"try_cast(btrim({quote(name)}, '{_SPACES}') AS double)")


def trim_text(name: str) -> Column:
    """A column of text without spaces around it, also those that do not break a line."""
    from pyspark.sql import functions as F

    return F.btrim(F.col(quote(name)), F.lit(_SPACES))


def numbers_of(name: str, decimal: str) -> Column:
    """A column of texts that are several numbers each, as arrays of doubles."""
    from pyspark.sql import functions as F

    inner = F.trim(F.regexp_replace(F.col(quote(name)), r"[\[\]]", " "))
    if decimal != ",":
        return F.split(inner, r"[\s,;]+").cast("array<double>")
    return F.split(F.replace(inner, F.lit(","), F.lit(".")), r"[\s;]+").cast("array<double>")
