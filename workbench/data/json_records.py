"""Where the rows of a JSON file are: an object a line, the objects of an array, or those of a key."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.data.dialect import open_unpacked
from workbench.errors import DataError

_MOST_BYTES = 2**28
"""A file that is one object is read whole, on the driver, up to this size."""
_START = 2**20


@dataclass(frozen=True, kw_only=True)
class JsonForm:
    """How one file is written."""

    rows: Literal["lines", "array", "key"]
    key: str = ""
    """The key of the file's object that holds the rows."""
    records: tuple[Any, ...] = ()
    """key: the rows."""

    @property
    def decided(self) -> tuple[str, ...]:
        return (f"JSON: the rows are the objects of {self.key!r}.",) if self.key else ()


def find_form(file: Path) -> JsonForm:
    """Where the rows of a file are.

    Raises:
        DataError: it holds JSON that is no rows, as pandas writes it without `orient`.
    """
    with open_unpacked(file) as opened:
        start = opened.read(_START).decode("utf-8-sig", errors="replace").lstrip()
    if start.startswith("["):
        if start[1:].lstrip()[:1] in ("{", "]", ""):
            return JsonForm(rows="array")
        raise DataError(
            f"{file} is an array of {'arrays' if start[1:].lstrip()[:1] == '[' else 'values'}, and rows are "
            "objects with the names of their columns. Write one: "
            f"pandas.DataFrame(json.load(open({file.name!r}))).to_parquet('x.parquet')."
        )
    lines = [line for line in start.splitlines() if line.strip()][:2]
    if not start.startswith("{") or (len(lines) > 1 and any(map(_is_object, lines))):
        return JsonForm(rows="lines")
    whole = _read_whole(file)
    return JsonForm(rows="lines") if whole is None else _find_key(file, whole)


def find_common_form(files: Collection[Path]) -> JsonForm:
    """The form of all files.

    Raises:
        DataError: the rows are in other places in one of them, or in none.
    """
    first, *others = files
    form = find_form(first)
    for other in others if form.rows == "key" else []:
        if (differing := find_form(other)) and differing.key != form.key:
            raise DataError(
                f"The rows of {first.name} are the objects of {form.key!r}, and {other.name} has none there. "
                "Name each file alone."
            )
    return form


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _read_whole(file: Path) -> dict[str, Any] | None:
    """The file's only object; None: it is too large, or broken, which the rows say.

    Raises:
        DataError: there are several, each over several lines.
    """
    with open_unpacked(file) as opened:
        raw = opened.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise DataError(
            f"{file} is one JSON object of more than 256 MB. Write its rows as an object a line: "
            f"jq -c '.KEY[]' {file.name} > table.jsonl."
        )
    text = raw.decode("utf-8-sig", errors="replace").strip()
    try:
        whole, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    if text[end:].lstrip().startswith("{"):
        raise DataError(
            f"{file} has objects over several lines after one another. Write an object a line: "
            f"jq -c . {file.name} > table.jsonl."
        )
    return whole if isinstance(whole, dict) and end == len(text) else None


def _find_key(file: Path, whole: dict[str, Any]) -> JsonForm:
    keys = [key for key, value in whole.items() if _is_records(value)]
    if len(keys) == 1:
        return JsonForm(rows="key", key=keys[0], records=tuple(whole[keys[0]]))
    if keys:
        raise DataError(
            f"{file} is one object with several tables: {', '.join(keys)}. Write the one you mean as an object "
            f"a line: jq -c '.{keys[0]}[]' {file.name} > {keys[0]}.jsonl."
        )
    way = f"pandas.read_json({file.name!r}).to_parquet('x.parquet')"
    if {"columns", "data"} <= whole.keys():
        way = f"pandas.read_json({file.name!r}, orient='split').to_parquet('x.parquet')"
    nested = [key for key, value in whole.items() if isinstance(value, (list, dict)) and value]
    if len(nested) < len(whole) and "columns" not in whole:
        return JsonForm(rows="lines")  # a table of one row
    raise DataError(
        f"{file} is one object of columns ({', '.join(list(whole)[:10])}), and rows are objects. Write a "
        f"table: {way}."
    )


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
