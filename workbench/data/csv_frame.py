"""CSV files as a DataFrame of text, in the dialect that was found."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.csv_config import CsvConfig
from workbench.data.dialect import Dialect, find_dialect, find_dialect_of_text, open_unpacked
from workbench.data.rows import BROKEN, location
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame, SparkSession

_SCAN_BYTES = 256 * 2**20
"""Files are searched this far for a header that is there again."""


def read_csv(
    spark: SparkSession,
    files: Collection[Path],
    root: Path,
    settings: CsvConfig,
    known: Collection[str] = (),
) -> tuple[DataFrame, Dialect]:
    """All columns as text, and `_broken`: the line of a row whose cells are more or fewer than the columns.

    Files of one table may have their columns in another order, or another dialect.

    Args:
        root: the folder whose partition folders (`day=1`) are columns.
        known: names of columns that settings name.

    Raises:
        DataError: a file cannot be read, or has other columns than the first one.
    """
    groups = _group_by_dialect(list(files), settings, known)
    first = next(iter(groups))
    for dialect, members in groups.items():
        if differing := set(dialect.names) ^ set(first.names):
            raise DataError(
                f"{members[0].name} and {groups[first][0].name} must have the same columns; only one of "
                f"them has {', '.join(sorted(differing))}."
            )
    frames = [
        _read(spark, [location(file) for file in members], dialect, _base(root, members))
        for dialect, members in groups.items()
    ]
    if any(_repeats_header(members, dialect) for dialect, members in groups.items()):
        num = 0
        for i, (dialect, members) in enumerate(groups.items()):
            num += _count_headers(spark, frames[i], dialect, members)
            frames[i] = frames[i].where(~_is_line(frames[i], dialect, dialect.header_cells))
        said = f"Left out: {num} rows that repeat the names of the columns, as files put together have them."
        first = replace(first, decided=(*first.decided, said) if num else first.decided)
    return reduce(lambda a, b: a.unionByName(b), frames), first


def read_remote_csv(
    spark: SparkSession, place: str, settings: CsvConfig, known: Collection[str] = ()
) -> tuple[DataFrame, Dialect]:
    """The same for a URL that Spark reads; the dialect is found from its first lines, in UTF-8."""
    lines = [row["value"] for row in spark.read.text(place).limit(1000).collect()]
    text = "".join(f"{line}\n" for line in lines)
    found = find_dialect_of_text(text, settings, known, name=place, whole=True)
    dialect = Dialect(**found)
    return _read(spark, [place], dialect, None), dialect


def _group_by_dialect(
    files: list[Path], settings: CsvConfig, known: Collection[str]
) -> dict[Dialect, list[Path]]:
    """Files with the same first line as the first file are taken to have its dialect."""
    groups: dict[Dialect, list[Path]] = {}
    same: tuple[bytes, Dialect] | None = None
    for file in files:
        with open_unpacked(file) as opened:
            start = opened.readline(1 << 16)
        if not start.strip(b"\r\n\0\xff\xfe \t"):
            continue  # an empty part, as Spark writes them
        if same is not None and same[1].header and start == same[0]:
            dialect = same[1]
        else:
            dialect = find_dialect(file, settings, known)
            same = same or (start, dialect)
        if same[1].header and not dialect.multi_line:
            dialect = replace(dialect, multi_line=same[1].multi_line)
        groups.setdefault(dialect, []).append(file)
    if not groups:
        raise DataError(f"{files[0]} has no rows.")
    return groups


def _repeats_header(files: list[Path], dialect: Dialect) -> bool:
    """Whether the first line is there again, in the first bytes of the files."""
    if not dialect.header or dialect.encoding.startswith("utf-16"):
        return False
    left = _SCAN_BYTES
    for file in files:
        with open_unpacked(file) as opened:
            first = opened.readline()
            while dialect.comment and first.startswith(dialect.comment.encode()):
                first = opened.readline()
            line = first.removeprefix(codecs.BOM_UTF8).strip()
            before = b"\n"
            while line and left > 0 and (part := opened.read(1 << 20)):
                left -= len(part)
                if line in before + part and _ends_line(before + part, line):
                    return True
                before = part[-len(first) - 4 :]
    return False


def _count_headers(
    spark: SparkSession, frame: DataFrame, dialect: Dialect, files: list[Path]
) -> int:
    """How many rows repeat the header."""
    if not dialect.aligned:
        return frame.where(_is_line(frame, dialect, dialect.header_cells)).count()
    whole = _read(spark, [location(file) for file in files], replace(dialect, header=False), None)
    return whole.where(_is_line(whole, dialect, dialect.header_cells)).count() - len(files)


def _ends_line(text: bytes, line: bytes) -> bool:
    """Whether a line of the text is `line`, with spaces or a byte order mark around it."""
    return bool(
        re.search(rb"\n(?:\xef\xbb\xbf)?[ \t]*" + re.escape(line) + rb"[ \t]*(?:\r?\n|$)", text)
    )


def _is_line(frame: DataFrame, dialect: Dialect, cells: tuple[str, ...]) -> SparkColumn:
    """Whether a row has these cells, and no others."""
    from pyspark.sql import functions as F

    texts = [
        F.coalesce(F.btrim(F.col(_quote(name)), F.lit(" \t\ufeff")), F.lit(""))
        for name in dialect.names
    ]
    padded = [*cells, *[""] * (len(texts) - len(cells))]
    return F.concat_ws("\1", *texts) == F.lit("\1".join(padded))


def _base(root: Path, files: list[Path]) -> str | None:
    parts = (part for file in files for part in file.relative_to(root).parts[:-1])
    return location(root) if any("=" in part for part in parts) else None


def _read(spark: SparkSession, places: list[str], dialect: Dialect, base: str | None) -> DataFrame:
    from pyspark.sql import functions as F

    if dialect.aligned:
        return _read_aligned(spark, places, dialect, base)
    schema = ", ".join(f"{_quote(name)} string" for name in [*dialect.names, BROKEN])
    options = {
        "header": dialect.header,
        "sep": dialect.delimiter,
        "quote": dialect.quote,
        "escape": "\\" if dialect.backslash else (dialect.quote or "\0"),
        "encoding": dialect.java_encoding,
        "multiLine": dialect.multi_line,
        "columnNameOfCorruptRecord": BROKEN,
        "ignoreLeadingWhiteSpace": dialect.spaces,
        "ignoreTrailingWhiteSpace": dialect.spaces,
        "maxCharsPerColumn": -1,
        "maxColumns": max(20480, 2 * len(dialect.names)),
        # Spark would not notice cells too many in rows of which it needs some columns only.
        "columnPruning": False,
        "recursiveFileLookup": False,
    }
    if dialect.comment:
        options["comment"] = dialect.comment
    if base:
        options["basePath"] = base
    frame = spark.read.options(**options).schema(schema).csv(places)
    first = dialect.names[0]
    unmarked = F.regexp_replace(F.col(_quote(first)), "^\ufeff", "")
    frame = frame if dialect.header else frame.withColumn(first, unmarked)
    for cells in dialect.more_lines:
        frame = frame.where(~_is_line(frame, dialect, cells))
    partitions = [name for name in frame.columns if name not in {*dialect.names, BROKEN}]
    for name in partitions:
        frame = frame.withColumn(name, F.col(_quote(name)).cast("string"))
    return frame


def _read_aligned(
    spark: SparkSession, places: list[str], dialect: Dialect, base: str | None
) -> DataFrame:
    """Rows whose cells have any number of spaces between them, which Spark's reader of CSV has no way to say."""
    from pyspark.sql import functions as F

    # One column of whole lines: Spark's reader of text takes every file for UTF-8.
    options = {
        "sep": "\1",
        "quote": "",
        "encoding": dialect.java_encoding,
        "multiLine": dialect.multi_line,
        "maxCharsPerColumn": -1,
    }
    options |= {"basePath": base} if base else {}
    frame = spark.read.options(**options).schema("value string").csv(places)
    line = F.regexp_replace(F.col("value"), "^[\ufeff\\s]+|\\s+$", "")
    frame = frame.withColumn("value", line).where(F.col("value") != "")
    cells = F.split(F.col("value"), r"\s+")
    if dialect.comment:
        frame = frame.where(~F.col("value").startswith(dialect.comment))
    if dialect.header:  # Spark does not know it for one: the first line of each file
        names = F.array(*map(F.lit, dialect.header_cells))
        frame = frame.where(cells != names)
    fits = F.size(cells) == len(dialect.names)
    columns = [F.get(cells, i).alias(name) for i, name in enumerate(dialect.names)]
    partitions = [F.col(_quote(n)).cast("string") for n in frame.columns if n != "value"]
    return frame.select(*columns, F.when(~fits, F.col("value")).alias(BROKEN), *partitions)


def _quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
