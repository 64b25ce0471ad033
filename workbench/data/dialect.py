"""The dialect of a CSV file, found from its first rows: encoding, delimiter, header, decimal sign."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from workbench.data.csv_config import CsvConfig
from workbench.data.header import find_more_lines, has_header, name_columns
from workbench.data.number_text import GROUPS, number_pattern, strip_signs
from workbench.errors import DataError

_SAMPLE_BYTES = 256 * 2**10
_SAMPLE_ROWS = 1000
_SCAN_BYTES = 256 * 2**20
"""A file is searched this far for quotes and for bytes that are no UTF-8."""
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|", ":": "colon", " ": "space"}
_JAVA = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "latin-1": "ISO-8859-1",
    "cp1252": "windows-1252",
}
"""Python's names to Java's."""
_NUMBER = re.compile(number_pattern("."))
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
"""12,345.6: a comma between thousands."""
_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
"""1.234.567 beside decimal commas; alone, 1.234 is a number with a decimal point."""
_COMMA_NUMBER = re.compile(rf"[+-]?(\d{{1,3}}(\.\d{{3}})+|{GROUPS}|\d+),\d+([eE][+-]?\d+)?")
_PACKED = {".zip": "unzip", ".xz": "xz", ".zst": "zstd", ".7z": "7z", ".rar": "unrar"}
"""Endings that Spark does not unpack, and the program that does."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one file is written."""

    names: tuple[str, ...]
    """Names of the columns, each once."""
    header: bool
    delimiter: str
    quote: str
    """Empty: quotes are characters as others are."""
    backslash: bool
    """Quotes in quotes have a backslash before them; otherwise they are doubled."""
    decimal: str
    encoding: str
    """Python's name."""
    spaces: bool
    """Cells have spaces around them that do not belong to them."""
    comment: str | None
    """Lines that begin with this are left out."""
    header_cells: tuple[str, ...] = ()
    """The first line's cells as they are written, where it is a header."""
    more_lines: tuple[tuple[str, ...], ...] = ()
    """The cells of lines below it that belong to the header, as units."""
    aligned: bool = False
    """Any number of spaces is between two cells, as in tables that are written to be looked at."""
    multi_line: bool
    """Whether cells in quotes may have line breaks. Spark reads such a file in one task."""
    decided: tuple[str, ...] = ()
    """Sentences about names that were changed and lines that are left out."""

    @property
    def java_encoding(self) -> str:
        return _JAVA[self.encoding]

    def describe(self) -> str:
        """`comma between cells, header, UTF-8, decimal point`."""
        parts = [
            f"{_NAMES.get(self.delimiter, self.delimiter)} between cells",
            "names in the first line" if self.header else "no header, columns are c0, c1, ...",
            self.encoding.upper(),
        ]
        parts += [] if self.quote else ["quotes are a part of the text"]
        parts += ["single quotes around cells"] if self.quote == "'" else []
        parts += ["decimal comma"] if self.decimal == "," else []
        parts += ["spaces around cells taken off"] if self.spaces else []
        parts += [f"lines that begin with {self.comment} left out"] if self.comment else []
        return ", ".join(parts)


def find_dialect(path: Path, settings: CsvConfig, known: Collection[str] = ()) -> Dialect:
    """The dialect of a file.

    Args:
        known: names of columns that settings name: a first line with one of them is a header.

    Raises:
        DataError: the file is empty, packed in a way that Spark cannot read, or not in the encoding.
    """
    if program := _PACKED.get(path.suffix.lower()):
        raise DataError(
            f"{path.name} is packed in a way that Spark does not read. Unpack it ({program}), or pack "
            "it with gzip."
        )
    with path.open("rb") as file:
        start = file.read(3)
    packing = {".gz": b"\x1f\x8b", ".bz2": b"BZh"}.get(path.suffix.lower(), b"")
    if not start.startswith(packing):
        raise DataError(
            f"{path.name} is not packed as its name says. Take {path.suffix} off its name, or copy it again."
        )
    encoding = settings.encoding or _find_encoding(path)
    with open_unpacked(path) as file:
        raw = file.read(_SAMPLE_BYTES)
        whole = not file.read(1)
    text = _decode(raw, encoding, path, whole).lstrip("\ufeff")
    found = find_dialect_of_text(text, settings, known, name=str(path), whole=whole)
    quote = found["quote"]
    quoted = found["multi_line"] or (bool(quote) and not whole and _has_byte(path, quote))
    wide = encoding.startswith("utf-16")  # Spark divides a file at the byte of a line's end
    return Dialect(**{**found, "encoding": encoding, "multi_line": quoted or wide})


def find_dialect_of_text(
    text: str, settings: CsvConfig, known: Collection[str], *, name: str, whole: bool
) -> dict[str, Any]:
    """The fields of a `Dialect` from a file's first characters."""
    lines = text.splitlines(keepends=True)
    if not whole and len(lines) > 1:
        lines.pop()  # cut somewhere
    comment = _find_comment(lines)
    if comment:
        lines = [line for line in lines if not line.startswith(comment)]
    if not any(line.strip() for line in lines):
        raise DataError(f"{name} has no rows.")
    if re.fullmatch(r"sep=.\s*", lines[0]):
        raise DataError(
            f"{name} begins with {lines[0].strip()!r}, a note for Excel. Take that line off: "
            "tail -n +2 FILE > table.csv."
        )
    quote = settings.quote
    backslash = f"\\{quote}" in text
    delimiter = settings.delimiter_character or _find_delimiter(lines, quote, backslash)
    if quote == '"' and quote not in text and _has_single_quotes(lines, delimiter):
        quote, backslash = "'", "\\'" in text
        delimiter = settings.delimiter_character or _find_delimiter(lines, quote, backslash)
    if delimiter == "\t" and _has_lone_quotes(lines, quote):
        quote, backslash = "", False
    rows = _split(lines, delimiter, quote, backslash)
    if settings.delimiter_character is None and len(rows[0]) == 1:
        _refuse_preamble(lines, quote, backslash, name)
    width = Counter(map(len, rows[1:] or rows)).most_common(1)[0][0]
    cells = [cell for row in rows[1:] for cell in row]
    before_quote = any(f"{delimiter} {quote}" in line for line in lines)
    spaces = delimiter != " " and (before_quote or _has_spaces(rows[0], cells))
    rows = [[cell.strip() for cell in row] for row in rows]
    decimal = settings.decimal or _find_decimal(cells, delimiter)
    header = settings.header
    if header is None:
        header = has_header(rows, set(known), set(settings.missing), decimal)
    first = rows[0]
    if (
        header
        and len(first) == width - 1
        and not any(row[width - 1 :][:1] != [""] for row in rows[1:] if len(row) == width)
    ):
        first = [*first, ""]  # each row ends with a delimiter, and the header does not
    names, decided = name_columns(first if header else [], width, first)
    more = find_more_lines(rows, width, settings.missing, decimal) if header else ()
    decided += tuple(
        f"Left out: the line {', '.join(cells)[:80]!r} below the names, as it has no number where all other "
        "rows have one."
        for cells in more
    )
    return {
        "names": names,
        "header": header,
        "delimiter": delimiter,
        "quote": quote,
        "backslash": backslash,
        "decimal": decimal,
        "encoding": settings.encoding or "utf-8",
        "spaces": spaces,
        "comment": comment,
        "header_cells": tuple(rows[0]) if header else (),
        "more_lines": more,
        "aligned": delimiter == " " and not (quote and quote in text),
        "multi_line": bool(quote) and quote in text,
        "decided": decided,
    }


def open_unpacked(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where it is gzip or bzip2."""
    with path.open("rb") as file:
        start = file.read(3)
    if start[:2] == b"\x1f\x8b":
        return gzip.open(path)  # type: ignore[return-value]
    return bz2.open(path) if start == b"BZh" else path.open("rb")


def split_rows(text: str, dialect: Dialect) -> list[list[str]]:
    """The first rows of a file's text as cells, without remarks and more lines of the header; the last
    one may be cut."""
    lines = text.splitlines(keepends=True)
    if dialect.comment:
        lines = [line for line in lines if not line.startswith(dialect.comment)]
    rows = _split(lines, dialect.delimiter, dialect.quote, dialect.backslash)
    header = {dialect.header_cells, *dialect.more_lines}
    return rows[:1] + [row for row in rows[1:] if tuple(c.strip() for c in row) not in header]


def _find_encoding(path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    high = False
    with open_unpacked(path) as file:
        part = file.read(1 << 20)
        if part.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if len(part) > 3 and part[:1000].count(0) > len(part[:1000]) // 4:
            return "utf-16-le" if part[1] == 0 else "utf-16-be"
        try:
            for _ in range(_SCAN_BYTES >> 20):
                decoder.decode(part, final=not part)
                if not part:
                    return "utf-8"
                part = file.read(1 << 20)
            return "utf-8"
        except UnicodeDecodeError:
            # cp1252 has letters and signs where Latin-1 has control characters.
            high = any(0x80 <= byte < 0xA0 for byte in part)
    return "cp1252" if high else "latin-1"


def _decode(raw: bytes, encoding: str, path: Path, whole: bool) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(raw, final=whole)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not {encoding}: {raw[error.start : error.start + 4]!r} at byte "
            f"{error.start}. Set data.source.csv.encoding to the file's own."
        ) from None


def _has_byte(path: Path, character: str) -> bool:
    wanted = character.encode()
    with open_unpacked(path) as file:
        for _ in range(_SCAN_BYTES >> 20):
            part = file.read(1 << 20)
            if not part or wanted in part:
                return bool(part)
    return True


def _find_comment(lines: list[str]) -> str | None:
    """# where the first lines are remarks; a header may begin with # too, in one line only."""
    marked = [line.startswith("#") for line in lines[:50]]
    if not marked or not marked[0] or all(marked):
        return None
    if sum(marked) > 1:
        return "#"
    return None if any(d in lines[0] and d in lines[1] for d in ",;\t|") else "#"


def _split(lines: list[str], delimiter: str, quote: str, backslash: bool) -> list[list[str]]:
    if delimiter == " " and not any(quote and quote in line for line in lines):
        return [line.split() for line in lines if line.strip()][:_SAMPLE_ROWS] or [[""]]
    if not quote:
        return [line.rstrip("\r\n").split(delimiter) for line in lines if line.strip()][
            :_SAMPLE_ROWS
        ]
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=quote,
        doublequote=not backslash,
        escapechar="\\" if backslash else None,
        skipinitialspace=delimiter != "\t" and any(f"{delimiter} {quote}" in li for li in lines),
    )
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) >= _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows or [[""]]


def _has_single_quotes(lines: list[str], delimiter: str) -> bool:
    """Whether cells stand in single quotes, as MySQL and Weka write them: as many begin as end with one."""
    between = re.escape(delimiter)
    begin, end = re.compile(rf"(?:^|{between}) *'"), re.compile(rf"' *(?:{between}|$)")
    counts = [(len(begin.findall(line)), len(end.findall(line.rstrip()))) for line in lines]
    quoted = [pair for pair in counts if any(pair)]
    return len(quoted) > 0.5 * len(lines) and all(first == last for first, last in quoted)


def _has_lone_quotes(lines: list[str], quote: str) -> bool:
    """Whether cells begin with a quote that nothing closes, as in GLUE's files: it is no quoting then."""
    rows = _split(lines, "\t", "", False)
    lone = any(len(c) > 1 and c[0] == quote and c[-1] != quote for row in rows for c in row)
    sizes = Counter(map(len, rows)).most_common(1)[0]
    return lone and sizes[0] > 1 and sizes[1] >= 0.99 * len(rows)


def _find_delimiter(lines: list[str], quote: str, backslash: bool) -> str:
    """The character that gives most rows the same number of cells, more than one.

    A comma comes after tab, semicolon and |: where one of these divides every row, commas are decimal
    signs or text. Colons and spaces come last: they are in texts and times as well.
    """
    for few, least in ((("\t", ";", "|"), 0.9), ((",",), 0.5), ((":", " "), 0.95)):
        scores = []
        for delimiter in few:
            ways = [quote, ""] if delimiter == "\t" else [quote]
            size, share = max(_measure_rows(lines, delimiter, way, backslash) for way in ways)
            if size > 1 and share >= least:
                scores.append((round(share, 1), size, delimiter))
        if scores:
            return max(scores)[2]
    return ","


def _refuse_preamble(lines: list[str], quote: str, backslash: bool, name: str) -> None:
    """
    Raises:
        DataError: some lines above the table are no rows of it, as devices and Excel write them.
    """
    for delimiter in ";\t|,":
        sizes = [len(_split([line], delimiter, quote, backslash)[0]) for line in lines[:200]]
        size, _ = Counter(sizes[len(sizes) // 2 :]).most_common(1)[0]
        first = next((i for i, each in enumerate(sizes) if each == size), 0)
        same = sum(each == size for each in sizes[first:])
        if size > 1 and 0 < first <= 30 and same > 5 and same >= 0.9 * len(sizes[first:]):
            raise DataError(
                f"{name} does not begin with its table: {first} line{'s' if first > 1 else ''} above it, "
                f"the first one is {lines[0].strip()[:60]!r}. Take them off: "
                f"tail -n +{first + 1} FILE > table.csv."
            )


def _measure_rows(
    lines: list[str], delimiter: str, quote: str, backslash: bool
) -> tuple[int, float]:
    """The usual number of cells, and the share of rows that have it; the header may have one less."""
    rows = _split(lines, delimiter, quote, backslash)
    sizes = Counter(map(len, rows[1:] or rows))
    size, count = sizes.most_common(1)[0]
    # A semicolon in every `data:image/png;base64,` divides no header.
    fits = len(rows[0]) in (size, size - 1) and len(rows[0]) > 1
    return size, count / sum(sizes.values()) if fits else 0.0


def _has_spaces(first: list[str], cells: list[str]) -> bool:
    outer = [cell for cell in cells if cell]
    padded = sum(cell != cell.strip() for cell in outer)
    return any(cell != cell.strip() for cell in first) or padded * 3 > len(outer) > 0


def _find_decimal(cells: list[str], delimiter: str) -> str:
    """The decimal sign. In a file with commas between cells, 12,345 has a comma between thousands."""
    texts = [strip_signs(cell.strip()) for cell in cells]
    lists = [text.strip("[]").split() for text in texts if text.count(" ") > 1]
    texts += [part for parts in lists for part in parts]  # 1,5 2,5 3,5
    with_comma = [text for text in texts if _COMMA_NUMBER.fullmatch(text)]
    if delimiter == "," and all(map(_GROUPED.fullmatch, with_comma)):
        return "."
    commas = len(with_comma)
    points = sum(
        "." in text and bool(_NUMBER.fullmatch(text)) and not _POINTS.fullmatch(text)
        for text in texts
    )
    return "," if commas > points else "."
