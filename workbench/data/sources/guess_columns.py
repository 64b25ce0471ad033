"""Which columns of a table are a text and its class, or a label, guessed from names and first rows."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from workbench.data.csv_config import MISSING, CsvConfig
from workbench.data.dialect import find_dialect, is_number, open_unpacked, split_rows
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
    *("diagnosis", "survived", "quality", "classes", "class_name", "ground_truth", "answer"),
)
_ROWS = 200


def guess_columns(file: Path, form: str) -> dict[str, Any]:
    """The kind text or table, with the columns that are not named as the settings' defaults are.

    A column of text is one by its name, or by sentences of four words and more that differ.
    """
    try:
        columns = _read_columns(file, form)
    except (DataError, OSError, ValueError):
        return {"kind": "table", "format": form}
    text = _find_text(columns)
    label = _find_label(columns, text)
    others = [
        n
        for n in columns
        if n not in (text, label) and not n.lower().startswith(("id", "index", "unnamed"))
    ]
    numeric = [n for n in others if _share_of_numbers(columns[n]) > 0.9]
    if (
        text is not None
        and label is not None
        and form in ("csv", "json", "parquet")
        and not numeric
    ):
        return {"kind": "text", "format": form, "text_column": text, "label_column": label}
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
    with open_unpacked(file) as opened:
        start = opened.read(1 << 20).decode("utf-8-sig", errors="ignore")
    if start.lstrip().startswith("["):
        return {}
    records = [json.loads(line) for line in start.splitlines()[:_ROWS] if line.endswith("}")]
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [str(record.get(name, "")) for record in records] for name in names}


def _find_text(columns: dict[str, list[str]]) -> str | None:
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
        return last if last == f"c{len(columns) - 1}" and len(columns) > 1 else None
    few = [
        name
        for name, cells in columns.items()
        if name != text and 1 < len(set(cells)) <= max(2, len(cells) // 4)
    ]
    return few[-1] if few else None


def _words(cells: list[str]) -> float:
    return sum(len(cell.split()) for cell in cells) / max(1, len(cells))


def _share_of_numbers(cells: list[str]) -> float:
    present = [cell for cell in cells if cell not in MISSING]
    return sum(is_number(cell, ",") for cell in present) / max(1, len(present))
