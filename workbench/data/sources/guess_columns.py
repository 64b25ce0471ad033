"""Which columns of a table are a text and its class, times, or a label; by names and first rows."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

from workbench.data.csv_config import MISSING, CsvConfig
from workbench.data.dialect import find_dialect, open_unpacked, split_rows
from workbench.data.json_records import find_form
from workbench.data.number_text import is_number, list_pattern, parse_number
from workbench.data.sources.guess_series import guess_series
from workbench.errors import DataError

_TEXTS = (
    "text",
    "sentence",
    "review",
    "content",
    "comment",
    "tweet",
    "message",
    "body",
    "document",
)
_LABELS = (
    *("label", "labels", "class", "target", "y", "category", "sentiment", "species", "outcome"),
    *(
        "emotion",
        "diagnosis",
        "survived",
        "quality",
        "classes",
        "class_name",
        "ground_truth",
        "answer",
    ),
)
_ROWS = 2000


def guess_columns(file: Path, form: str) -> dict[str, Any]:
    """The kind text or table, with the columns that are not named as the settings' defaults are.

    A column of text is one by its name, or by sentences of four words and more that differ.
    """
    try:
        columns = _read_columns(file, form)
    except (OSError, ValueError):
        return {"kind": "table", "format": form}
    text = _find_text(columns)
    label = _find_label(columns, text)
    others = [
        n
        for n in columns
        if n not in (text, label) and not n.lower().startswith(("id", "index", "unnamed"))
    ]
    numeric = [n for n in others if _is_feature(columns[n])]
    if (
        text is not None
        and label is not None
        and form in ("csv", "json", "parquet")
        and not numeric
    ):
        return {"kind": "text", "format": form, "text_column": text, "label_column": label}
    if form in ("csv", "json", "parquet"):
        series = guess_series(columns, label, _count_rows(file, form, columns))
        if series is not None:
            return {"kind": "series", "format": form, **series}
    if label is None or "label" in columns:
        return {"kind": "table", "format": form}
    return {"kind": "table", "format": form, "label": label}


def _read_columns(file: Path, form: str) -> dict[str, list[str]]:
    """Cells of the first rows as text, by column."""
    if form == "csv":
        dialect = find_dialect(file, CsvConfig())
        encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
        with open_unpacked(file) as opened:
            raw = opened.read(1 << 18).decode(encoding, errors="ignore")
        rows = split_rows(raw, dialect)[dialect.header : _ROWS]
        cells = list(itertools.zip_longest(*rows, fillvalue=""))
        return {
            name: [str(cell).strip() for cell in column]
            for name, column in zip(dialect.names, cells, strict=False)
        }
    if form == "parquet":
        import pyarrow.parquet as pq

        parquet = pq.ParquetFile(file)
        flat = [
            f.name
            for f in parquet.schema_arrow
            if not str(f.type).startswith(("struct", "list", "binary"))
        ]
        batch = next(parquet.iter_batches(_ROWS, columns=flat), None)
        return {} if batch is None else {k: list(map(str, v)) for k, v in batch.to_pydict().items()}
    if form != "json":
        return {}
    form_of_rows = find_form(file)
    with open_unpacked(file) as opened:
        start = opened.read(1 << 20).decode("utf-8-sig", errors="ignore")
    records = [*form_of_rows.records[:_ROWS]] or _read_records(start)
    if records and "data" in records[0] and "annotations" in records[0]:
        raise DataError(
            f"{file} is an export of Label Studio as JSON, whose texts and classes are not columns. Export it "
            "as JSON-MIN or CSV, and name that."
        )
    names = [
        name
        for name in dict.fromkeys(name for record in records for name in record)
        if not any(_is_nested(record.get(name)) for record in records)
    ]
    return {name: [str(record.get(name, "")) for record in records] for name in names}


def _read_records(start: str) -> list[dict[str, Any]]:
    """The first objects of a file: one a line, or those of an array, as far as `start` holds them."""
    if not start.lstrip().startswith("["):
        return [json.loads(line) for line in start.splitlines()[:_ROWS] if line.endswith("}")]
    records: list[dict[str, Any]] = []
    decoder, place = json.JSONDecoder(), start.index("[") + 1
    while len(records) < _ROWS:
        rest = re.compile(r"[\s,]*").match(start, place)
        place = rest.end() if rest else place
        try:
            record, place = decoder.raw_decode(start, place)
        except ValueError:
            break
        if isinstance(record, dict):
            records.append(record)
    return records


def _is_nested(value: Any) -> bool:
    """Whether a cell is more than a value. A list of texts may be classes, as doccano writes them."""
    texts = isinstance(value, list) and all(isinstance(part, str) for part in value)
    return isinstance(value, (dict, list)) and not texts


def _count_rows(file: Path, form: str, columns: dict[str, list[str]]) -> int:
    """Rows of a file; of text, about: its bytes by those of the rows that were read."""
    if form == "parquet":
        import pyarrow.parquet as pq

        return int(pq.ParquetFile(file).metadata.num_rows)
    num = max(map(len, columns.values()), default=0)
    if num < _ROWS - 2 and file.stat().st_size < 1 << 18:
        return num
    cells = sum(len(cell) + 1 for column in columns.values() for cell in column)
    return max(num, int(num * file.stat().st_size / max(1, cells)))


def _find_text(columns: dict[str, list[str]]) -> str | None:
    columns = {name: cells for name, cells in columns.items() if not _is_list(cells)}
    named = [name for name in columns if name.lower() in _TEXTS and _words(columns[name]) > 1]
    if named:
        return named[0]
    long = [
        name
        for name, cells in columns.items()
        if _words(cells) >= 4 and len(set(cells)) * 2 > len(cells)
    ]
    return max(long, key=lambda name: _words(columns[name]), default=None)


def _find_label(columns: dict[str, list[str]], text: str | None) -> str | None:
    lower = {name.lower(): name for name in columns if name != text}
    for name in _LABELS:
        if name in lower:
            return lower[name]
    if text is None:
        last = next(reversed(columns), None)
        if last != f"c{len(columns) - 1}" or len(columns) < 2:
            return None
        # Without names, the label is the last column or, as in MNIST's and UCR's files, the first.
        first = _is_classes(columns["c0"]) and not _is_classes(columns[last])
        return "c0" if first else last
    few = [
        name
        for name, cells in columns.items()
        if name != text and 1 < len(set(cells)) <= max(2, len(cells) // 4)
    ]
    return few[-1] if few else None


def _is_list(cells: list[str]) -> bool:
    """Whether the cells are several numbers each."""
    some = [cell.strip() for cell in cells[:20] if cell]
    return bool(some) and all(re.fullmatch(list_pattern("."), cell) for cell in some)


def _is_classes(cells: list[str]) -> bool:
    """Whether there are few different values, and none with digits after the point."""
    values = set(cells)
    broken = any(is_number(value, ".") and parse_number(value, ".") % 1 for value in values)
    return 1 < len(values) <= max(2, len(cells) // 3) and not broken


def _is_feature(cells: list[str]) -> bool:
    """Whether a column is of numbers that are more than the names of rows."""
    if _share_of_numbers(cells) <= 0.9 or len(set(cells)) < 2:
        return False
    whole = all(cell.lstrip("+-").isdigit() for cell in cells if cell not in MISSING)
    return not (whole and len(set(cells)) == len(cells) > 5)


def _words(cells: list[str]) -> float:
    return sum(len(cell.split()) for cell in cells) / max(1, len(cells))


def _share_of_numbers(cells: list[str]) -> float:
    present = [cell for cell in cells if cell not in MISSING]
    return sum(is_number(cell, ",") for cell in present) / max(1, len(present))
