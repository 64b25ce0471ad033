"""A table as it is stored: its columns, the split that names say, and what was decided on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from nets.suggestions import nearest
from workbench.data.columns import quote
from workbench.data.csv_config import MISSING, CsvConfig
from workbench.data.csv_frame import read_csv, read_remote_csv
from workbench.data.json_records import find_form
from workbench.data.rows import BROKEN, location
from workbench.data.sources.load_frame import flatten_structs, load_frame
from workbench.data.sources.paths import find_path
from workbench.data.split_names import Split, split_of
from workbench.data.table_files import list_tables
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SPLIT = "__split"
"""Column of train, validation, test or null, by the names of files."""
CATALOG = "catalog"
"""The format of a table that the session's catalog knows by name."""
_FILES = ("csv", "json", "parquet", "orc")
_SPLIT_COLUMNS = ("split", "set", "subset", "partition", "usage", "fold", "phase")


@dataclass(frozen=True, kw_only=True)
class OpenTable:
    """A table's rows, as stored."""

    frame: DataFrame
    """All columns; `__split` (string); `_broken`: the text of a row that cannot be parsed, or null."""
    decimal: str = "."
    missing: tuple[str, ...] = MISSING
    """Texts that stand for no value."""
    decided: tuple[str, ...] = ()
    has_splits: bool = False
    """Whether `__split` may be filled."""

    @property
    def columns(self) -> list[str]:
        """Names of the table's own columns."""
        return [name for name in self.frame.columns if name not in (SPLIT, BROKEN)]


def open_table(
    spark: SparkSession,
    path: str,
    form: str,
    csv: CsvConfig,
    required: Mapping[str, str],
    *,
    named_splits: bool = True,
    as_text: bool = False,
    what: str | None = None,
    flat: bool = False,
) -> OpenTable:
    """All columns of a file, a folder of files, or a URL.

    Cells of csv are text. Where names of files say splits, a file of another split than train may lack
    a required column (Kaggle's test.csv has no label): it is left out, and that is said.

    Args:
        required: setting to column name, as `{"label": "species"}`; the columns must be there.
        named_splits: whether names of files and folders say the split.
        as_text: numbers and booleans of json are text too.
        what: for the message where nothing is there.
        flat: fields of structs are columns.

    Raises:
        DataError: there is nothing to read, it cannot be read, or a column is missing.
    """
    if form == CATALOG:
        opened = replace(_read_catalog(spark, path), missing=csv.missing)
        _check_columns(opened.columns, required, path)
        return opened
    if "://" in path:
        frame, dialect = None, None
        if form == "csv":
            frame, dialect = read_remote_csv(spark, path, csv, set(required.values()))
        else:
            frame = load_frame(spark, [path], form, as_text, None, path)
        opened = OpenTable(
            frame=_complete(frame, None),
            decimal=dialect.decimal if dialect else ".",
            missing=csv.missing,
            decided=(f"CSV: {dialect.describe()}.", *dialect.decided) if dialect else (),
        )
        _check_columns(opened.columns, required, path)
        return opened
    root = find_path(path, what or f"a table in format {form}")
    if form not in _FILES or (form == "parquet" and (root / "_delta_log").is_dir()):
        frame = _complete(load_frame(spark, [location(root)], form, as_text, None, path), None)
        opened = OpenTable(frame=frame, missing=csv.missing)
        _check_columns(opened.columns, required, path)
        return opened
    opened = _open_files(spark, root, form, csv, required, named_splits, as_text, flat)
    prodigy = form == "json" and "answer" in opened.columns and "answer" not in required.values()
    return _keep_accepted(opened) if prodigy else opened


def _keep_accepted(opened: OpenTable) -> OpenTable:
    """The rows that were accepted, of a file that Prodigy wrote: the labels of others are not theirs."""
    from pyspark.sql import functions as F

    answer = F.col("answer").cast("string")
    counts = {row[0]: row[1] for row in opened.frame.groupBy(answer).count().limit(5).collect()}
    others = {name: count for name, count in counts.items() if name not in (None, "accept")}
    if not others or not others.keys() <= {"reject", "ignore"} or "accept" not in counts:
        return opened
    shown = ", ".join(f"{count} {name}" for name, count in sorted(others.items()))
    said = f"Left out: rows whose answer is not accept ({shown}), as Prodigy writes them."
    kept = opened.frame.where(~answer.isin("reject", "ignore") | answer.isNull())
    return replace(opened, frame=kept, decided=(*opened.decided, said))


def _read_catalog(spark: SparkSession, name: str) -> OpenTable:
    """A table or view of the session's catalog: Hive, Iceberg, Delta, JDBC, or Spark's own.

    Raises:
        DataError: the catalog has no such table, or its format cannot be read.
    """
    from pyspark.errors import PySparkException

    try:
        frame = spark.table(name)
    except PySparkException as error:
        known = [table.name for table in spark.catalog.listTables()][:20]
        first = str(error).strip().splitlines()[0]
        raise DataError(
            f"The session's catalog gives no table {name!r}: {first} Its database "
            f"{spark.catalog.currentDatabase()} has {', '.join(known) or 'no table'}. Write "
            "DATABASE.TABLE in data.source.path, or use a session that has the catalog: "
            "workbench.open(spark=...)."
        ) from error
    sentence = f"Read from the session's catalog: {name}."
    return OpenTable(frame=_complete(frame, None), decided=(sentence,))


def from_frame(frame: DataFrame, required: Mapping[str, str], what: str) -> OpenTable:
    """The rows of a DataFrame that is there already.

    Args:
        required: setting to column name; the columns must be there.
        what: where it comes from, for the message.

    Raises:
        DataError: a column is missing.
    """
    opened = OpenTable(frame=_complete(frame, None))
    _check_columns(opened.columns, required, what)
    return opened


def filter_rows(opened: OpenTable, where: str | None) -> OpenTable:
    """The rows for which a condition of Spark's SQL is true; partitions that cannot be are not read.

    Raises:
        DataError: it is no condition on the table's columns.
    """
    from pyspark.errors import PySparkException

    if where is None:
        return opened
    from pyspark.sql import functions as F

    try:  # a row that cannot be parsed has no values to ask, and stays a bad row
        frame = opened.frame.where(F.expr(where) | F.col(BROKEN).isNotNull())
    except PySparkException as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(
            f"data.source.where must be a condition of Spark's SQL on the columns "
            f"{', '.join(opened.columns[:20])}, got {where!r}: {first}"
        ) from error
    return replace(opened, frame=frame, decided=(*opened.decided, f"Rows read: where {where}."))


def _open_files(
    spark: SparkSession,
    root: Path,
    form: str,
    csv: CsvConfig,
    required: Mapping[str, str],
    named_splits: bool,
    as_text: bool,
    flat: bool,
) -> OpenTable:
    listed = list_tables(root, form, by_name=named_splits)
    decided = list(listed.decided)
    frames: list[DataFrame] = []
    decimal = "."
    by_split: dict[Split | None, list[Path]] = {}
    for file, split in listed.files.items():
        by_split.setdefault(split, []).append(file)
    for split in sorted(by_split, key=lambda name: name != "train"):
        files = by_split[split]
        if form == "csv":
            frame, dialect = read_csv(spark, files, root, csv, set(required.values()))
            decimal = dialect.decimal
            sentence = f"CSV: {dialect.describe()}."
            decided += [s for s in (sentence, *dialect.decided) if s not in decided]
        else:
            places = [location(file) for file in files]
            base = (
                location(root)
                if any("=" in str(f.relative_to(root).parent) for f in files)
                else None
            )
            frame = load_frame(spark, places, form, as_text, base, str(root), files)
            said = find_form(files[0]).decided if form == "json" else ()
            if flat:
                frame, structs = flatten_structs(frame)
                said += structs
            decided += [s for s in said if s not in decided]
        frame = _strip_names(frame)
        missing = {s: name for s, name in required.items() if name not in frame.columns}
        if missing and split in ("validation", "test") and frames:
            names = ", ".join(map(repr, missing.values()))
            decided.append(f"{files[0].name} is not read: it has no column {names}.")
            continue
        _check_columns([c for c in frame.columns if c != BROKEN], required, str(root))
        frames.append(_complete(frame, split))
    return OpenTable(
        frame=_union(frames, root),
        decimal=decimal,
        missing=csv.missing,
        decided=tuple(decided),
        has_splits=None not in by_split,
    )


def _union(frames: list[DataFrame], root: Path) -> DataFrame:
    """Rows of several splits. A column that is not in all of them cannot be used."""
    for frame in frames[1:]:
        if differing := set(frames[0].columns) ^ set(frame.columns):
            raise DataError(
                f"{root}: the files of all splits must have the same columns; only some have "
                f"{', '.join(sorted(differing))}. Name the columns to use in data.source.features."
            )
    return reduce(lambda a, b: a.unionByName(b), frames)


def _strip_names(frame: DataFrame) -> DataFrame:
    for name in frame.columns:
        if name != name.strip() and name.strip() not in frame.columns:
            frame = frame.withColumnRenamed(name, name.strip())
    return frame


def _complete(frame: DataFrame, split: str | None) -> DataFrame:
    from pyspark.sql import functions as F

    if BROKEN not in frame.columns:
        frame = frame.withColumn(BROKEN, F.lit(None).cast("string"))
    return frame.withColumn(SPLIT, F.lit(split).cast("string"))


def _check_columns(columns: list[str], required: Mapping[str, str], path: str) -> None:
    for setting, name in required.items():
        if name not in columns:
            near = nearest(name, columns)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise DataError(
                f"{path} has no column {name!r}. It has {', '.join(columns)}.{hint} Say which it is with "
                f"--set data.source.{setting}=COLUMN."
            )


def mark_splits(
    opened: OpenTable, column: str | None, *, by_name: bool = True
) -> tuple[OpenTable, str | None]:
    """The table with `__split` from a column too, and the column's name.

    Values of a split column are read in their usual spellings (Train, VAL, dev); others stay as they are.

    Args:
        column: the setting; None: a column named split, set, ... is taken where all its values are
            names of splits, train among them.
    """
    from pyspark.sql import functions as F

    frame, said = opened.frame, []
    names = [column] if column else []
    if not column and by_name:
        names = [name for name in opened.columns if name.lower() in _SPLIT_COLUMNS]
    for name in names:
        values = [
            row[0]
            for row in frame.select(F.col(quote(name)).cast("string"))
            .distinct()
            .limit(50)
            .collect()
        ]
        splits = {value: split_of(value) for value in values if value is not None}
        usable = len(splits) > 1 and None not in splits.values() and "train" in splits.values()
        if not column and not usable:
            continue
        shown = ", ".join(f"{value} is {split}" for value, split in sorted(splits.items()) if split)
        said.append(f"Splits by the column {name}: {shown or 'no value is the name of a split'}.")
        pairs = [F.lit(x) for value, split in splits.items() if split for x in (value, split)]
        text = F.col(quote(name)).cast("string")
        mapped = F.coalesce(F.create_map(*pairs)[text], text) if pairs else text
        frame = frame.withColumn(SPLIT, F.coalesce(F.col(SPLIT), mapped))
        result = OpenTable(
            frame=frame,
            decimal=opened.decimal,
            missing=opened.missing,
            decided=(*opened.decided, *said),
            has_splits=True,
        )
        return result, name
    return opened, None
