"""Numbers that are text: thousands, decimal commas, signs of money and shares, units.

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

_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
"""With a decimal point, and maybe commas between thousands."""
_COMMA_NUMBER = r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?(?:[eE][+-]?\d+)?"
_SIGN = r"US\$|[$€£¥]|USD|EUR|GBP|CHF|JPY"
_BEFORE = rf"^([+-]?)\s*(?:{_SIGN})\s*([+-]?)"
_AFTER = rf"\s*(?:[%‰]|{_SIGN})$"
_UNIT = r"[A-Za-zµμΩ°][A-Za-z0-9µμΩ°/²³^·]{0,9}"
_PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_COMMA_PLAIN = r"[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?"
_MINUS = "\u2212\u2013"
"""The minus sign and the dash that typesetting puts in place of a hyphen."""
_SAME = {"US$": "$", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_SHARES = ("%", "‰")


def number_pattern(decimal: str) -> str:
    """A regular expression of a number without signs and units, for whole texts."""
    return _COMMA_NUMBER if decimal == "," else _NUMBER


def list_pattern(decimal: str) -> str:
    """Of several numbers after one another: 0.1 0.2 0.3, or [0.1, 0.2]."""
    number, between = (_COMMA_PLAIN, ";") if decimal == "," else (_PLAIN, "[,;]")
    after = rf"(?:\s*{between}\s*|\s+){number}"
    return rf"(?:\[\s*{number}(?:{after})*\s*\]|{number}(?:{after}){{2,}})"


def strip_signs(text: str) -> str:
    """A text without a sign of money or a share around it."""
    text = text.translate(dict.fromkeys(map(ord, _MINUS), "-"))
    return re.sub(_AFTER, "", re.sub(_BEFORE, r"\1\2", text))


def strip_signs_in_arrow(texts: pa.Array) -> pa.Array:
    """The same for an array of text."""
    import pyarrow.compute as pc

    for minus in _MINUS:
        texts = pc.replace_substring(texts, minus, "-")
    bare = pc.replace_substring_regex(texts, _BEFORE, r"\1\2")
    return pc.replace_substring_regex(bare, _AFTER, "")


def count_signs(texts: pa.Array) -> dict[str, int]:
    """How many texts have each sign of money or a share."""
    return _count(texts, rf"(?P<part>[%‰]|{_SIGN})")


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
    name: str, decimal: str, *, signs: bool = True, units: Collection[str] = ()
) -> Column:
    """A column of text as doubles; null for text that is no number.

    Args:
        signs: numbers may have a sign of money or a share, which is taken off.
        units: what may stand after a number, and is taken off.
    """
    from pyspark.sql import functions as F

    text = F.translate(F.trim(F.col(quote(name))), _MINUS, "-" * len(_MINUS))
    if units:
        written = "|".join(re.escape(unit) for unit in units)
        text = F.regexp_replace(text, rf"\s*(?:{written})$", "")
    elif signs:
        text = F.regexp_replace(F.regexp_replace(text, _BEFORE, "$1$2"), _AFTER, "")
    plain = F.replace(text, F.lit("." if decimal == "," else ","), F.lit(""))  # thousands
    if decimal == ",":
        plain = F.replace(plain, F.lit(","), F.lit("."))
    return F.when(text.rlike(f"^({number_pattern(decimal)})$"), plain.cast("double"))


def numbers_of(name: str, decimal: str) -> Column:
    """A column of texts that are several numbers each, as arrays of doubles."""
    from pyspark.sql import functions as F

    inner = F.trim(F.regexp_replace(F.col(quote(name)), r"[\[\]]", " "))
    if decimal != ",":
        return F.split(inner, r"[\s,;]+").cast("array<double>")
    return F.split(F.replace(inner, F.lit(","), F.lit(".")), r"[\s;]+").cast("array<double>")
