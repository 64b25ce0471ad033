"""Text: a file or a folder per class, or a column of a table."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from nets.text import PADDING, UNKNOWN, TextEncoding, tokenizer
from workbench.data.canonical import CanonicalFrame
from workbench.data.class_order import natural_order
from workbench.data.columns import quote
from workbench.data.csv_config import CsvConfig
from workbench.data.rows import (
    add_keys,
    broken_reason,
    class_names,
    index_of,
    location,
    open_splits,
)
from workbench.data.size import ROWS_UNKNOWN, Size
from workbench.data.sources.open_table import SPLIT, mark_splits, open_table
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_columns import name_classes
from workbench.data.split_names import Split, find_splits, split_of
from workbench.data.vocabulary import encode_text
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_UNLABELLED = ("unsup", "unlabeled", "unlabelled")
_ANY_CASE = re.compile(r"[a-zA-Z](?![^\[]*\])")
"""Letters of a pattern, outside brackets."""
_CHARSETS = {"utf-8": "UTF-8", "latin-1": "ISO-8859-1", "cp1252": "windows-1252"}
"""Python's names to Java's."""


@config
class TextSource:
    """Texts of named classes, as the ids of their tokens."""

    kind: Literal["text"] = "text"
    path: str
    """A folder or, for a table, a file."""
    format: Literal["lines", "files", "csv", "json", "parquet"] = "lines"
    """lines: a file per class, a text a line; files: a folder per class, a text a file; csv (and TSV), json (an object a line), parquet: a table."""
    files: str = "*"
    """lines, files: only files with such names, as `*.txt`."""
    text_column: str = "text"
    """csv, json, parquet: the column with the text."""
    label_column: str = "label"
    """csv, json, parquet: the column with the class."""
    group_column: str | None = None
    """csv, json, parquet: rows with the same value here stay together where data.split.by is group."""
    split_column: str | None = None
    """csv, json, parquet: column of train, validation, test or null, in any usual spelling; None: a column named split, set, ... where its values are names of splits."""
    named_splits: bool = True
    """Whether names of files, folders and columns say the splits (train.tsv, test/); False: they are drawn."""
    csv: CsvConfig = CsvConfig()
    """csv: how the files are written."""
    encoding: Literal["utf-8", "latin-1", "cp1252"] = "utf-8"
    """lines, files: the character encoding. csv: found from the file, unless this or csv.encoding names another one than utf-8."""
    tokenizer: str = Field(default="words", min_length=1)
    """words; characters; or the path of a HuggingFace tokenizer.json (needs the package tokenizers)."""
    lowercase: bool = True
    """words, characters: put everything in lower case first."""
    max_length: int = Field(default=64, ge=1)
    """Tokens kept of a text, its first ones; shorter texts are padded."""
    vocabulary_size: int = Field(default=20_000, ge=3)
    """At most this many ids: padding, unknown and the most frequent tokens of the training rows."""

    def __post_init__(self) -> None:
        table = self.format in ("csv", "json", "parquet")
        if not table and self.group_column is not None:
            raise ConfigError(
                f"group_column needs a table (csv, json, parquet), got {self.group_column!r} with "
                f"format {self.format!r}."
            )
        if not table and self.split_column is not None:
            raise ConfigError(
                f"split_column needs a table (csv, json, parquet), got {self.split_column!r} with "
                f"format {self.format!r}."
            )
        if table and self.files != "*":
            raise ConfigError(
                f"files belongs to format lines and files, got {self.files!r} with format "
                f"{self.format!r}. Put the pattern into path."
            )
        if self.format in ("json", "parquet") and self.encoding != "utf-8":
            raise ConfigError(
                f"{self.format} is always utf-8, got encoding {self.encoding!r}. Set it to utf-8."
            )


def read(source: TextSource, spark: SparkSession) -> CanonicalFrame:
    """Texts with their classes; they get ids once the training rows are known (`CanonicalFrame.encode`).

    Bad rows, with the reason, are: texts that are null or blank, rows without a class, and bytes that
    are wrong in the stated encoding.

    Raises:
        DataError: there is nothing to read, a column is missing, or there are no classes.
        ConfigError: the tokenizer file cannot be used.
    """
    from pyspark.sql import functions as F

    encoding = _encoding(source)
    tokenizer(encoding)  # fails here if a file or package is missing, before Spark reads
    path = Path(source.path)
    if "://" not in source.path:
        path = find_path(source.path, "a folder of texts, or a table of them")
    if source.format in ("csv", "json", "parquet"):
        rows, names, decided = _read_table(source, spark)
    else:
        rows, names, decided = _read_files(source, path, spark)
    rows = rows.withColumn("reason", _reason(source))
    good = rows.where("reason is null").withColumn("label", index_of(F.col("class"), names))
    columns = ["text", "label", "key", "split"] + (["group"] if source.group_column else [])
    return CanonicalFrame(
        frame=good.select(*columns),
        spec=TensorSpec(
            kind="tokens", shape=(source.max_length,), dtype="int32", vocabulary_size=2
        ),
        labels=names,
        num_outputs=len(names),
        bad=rows.where("reason is not null").select("key", "reason"),
        decided=decided,
        encode=lambda canonical: encode_text(canonical, encoding, source.vocabulary_size),
    )


def size(source: TextSource) -> Size:
    """The spec with the largest vocabulary that is allowed; rows are not counted."""
    spec = TensorSpec(
        kind="tokens",
        shape=(source.max_length,),
        dtype="int32",
        vocabulary_size=source.vocabulary_size,
    )
    return Size(spec=spec, notes=[ROWS_UNKNOWN, "The vocabulary is taken at its largest."])


def _encoding(source: TextSource) -> TextEncoding:
    """The tokenizer, with no vocabulary yet."""
    empty = (PADDING, UNKNOWN)
    if source.tokenizer in ("words", "characters"):
        return TextEncoding(
            tokenizer="words" if source.tokenizer == "words" else "characters",
            lowercase=source.lowercase,
            max_length=source.max_length,
            vocabulary=empty,
        )
    file = Path(source.tokenizer).expanduser()
    if not file.is_file():
        raise DataError(
            "data.source.tokenizer must be words, characters or the path of a tokenizer.json, got "
            f"{source.tokenizer!r}, where there is no file."
        )
    return TextEncoding(
        tokenizer="file",
        lowercase=False,
        max_length=source.max_length,
        vocabulary=empty,
        definition=file.read_text(encoding="utf-8"),
    )


def _read_table(
    source: TextSource, spark: SparkSession
) -> tuple[DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Rows text, class, key, split, maybe group; the class names; and what was decided."""
    from pyspark.sql import functions as F

    settings = ("text_column", "label_column", "group_column", "split_column")
    columns = {name: value for name in settings if (value := getattr(source, name))}
    csv = source.csv
    if csv.encoding is None and source.encoding != "utf-8":
        csv = replace(csv, encoding=source.encoding)
    opened, _ = mark_splits(
        open_table(
            spark,
            source.path,
            source.format,
            csv,
            columns,
            named_splits=source.named_splits,
            as_text=True,
            what="a folder of texts, or a table of them",
        ),
        source.split_column,
        by_name=source.named_splits,
    )
    named: set[str | None] = set()
    if opened.has_splits:
        named = {row[0] for row in opened.frame.select(SPLIT).distinct().collect()}
    values = {"text": source.text_column, "class": source.label_column}
    if source.group_column is not None:
        values["group"] = source.group_column
    kept: list[str] = []
    label, class_order = name_classes(
        opened.frame, source.label_column, source.format, source.path, kept
    )
    if opened.frame.schema[source.label_column].dataType.simpleString() == "array<string>":
        label = F.when(F.size(label) == 1, F.element_at(label, 1))
        kept.append(
            f"Classes are lists in {source.label_column}: rows with one are read, others are set aside."
        )
    columns_of = {name: F.col(quote(column)) for name, column in values.items()} | {"class": label}
    rows = opened.frame.select(
        *(column.cast("string").alias(name) for name, column in columns_of.items()),
        broken_reason().alias("broken"),
        open_splits(F.col(SPLIT), named).alias("split"),
    )
    rows = rows.withColumn("class", F.trim("class"))
    rows = rows.withColumn("class", F.when(F.col("class") != "", F.col("class")))
    content = [F.coalesce(F.col(name), F.lit("")) for name in ("broken", "split", *values)]
    names = class_order or class_names(rows.where("broken is null"), "class")
    decided = (
        *opened.decided,
        *kept,
        f"Columns used: {source.text_column} (text), {source.label_column} (class).",
    )
    unused = [name for name in opened.columns if name not in columns.values()]
    if unused:
        decided = (*decided, f"Columns not used: {', '.join(unused)}.")
    return add_keys(rows, F.lit(Path(source.path).name), *content), names, decided


def _read_files(
    source: TextSource, path: Path, spark: SparkSession
) -> tuple[DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Rows text, class, key, split; the class names; and what was decided."""
    from pyspark.sql import functions as F

    tops, decided = _find_tops(source, path)
    files_by_top = {top: _group_by_class(top, source) for top in tops}
    names = natural_order(name for classes in files_by_top.values() for name in classes)
    if unlabelled := [name for name in names if name.lower() in _UNLABELLED]:
        # aclImdb has 50,000 texts without a class in a folder of that name.
        names = tuple(name for name in names if name not in unlabelled)
        decided.append(f"Not read: {', '.join(unlabelled)}, a name for texts without a class.")
    if len(names) < 2:
        kind = "a file per class" if source.format == "lines" else "a folder of files per class"
        raise DataError(
            f"{path} must hold {kind}, for at least two classes, with names like {source.files!r}; "
            f"got {len(names)}. Set data.source.path, files or format."
        )
    frames = []
    named: set[str | None] = set(tops.values())
    final = {"validation", "test"} <= named
    for top, classes in files_by_top.items():
        split = tops[top] if final or tops[top] != "train" else None
        for name in names:
            if name not in classes:
                continue
            raw = _read_raw(source, classes[name], spark)
            frames.append(
                raw.select(
                    F.decode("content", _CHARSETS[source.encoding]).alias("text"),
                    F.lit(name).alias("class"),
                    F.concat_ws("/", F.lit(split), F.lit(name)).alias("place"),
                    F.lit(split).cast("string").alias("split"),
                    F.lit(None).cast("string").alias("broken"),
                )
            )
    rows = reduce(lambda a, b: a.union(b), frames)
    return add_keys(rows, F.col("place"), F.col("text")), names, tuple(decided)


def _find_tops(source: TextSource, path: Path) -> tuple[dict[Path, Split | None], list[str]]:
    """The folders that hold classes, and the split of each; one level deeper where a folder is alone."""
    decided: list[str] = []
    for _ in range(3):
        folders = [p for p in sorted(path.iterdir()) if p.is_dir() and p.name[0] not in "._"]
        files = [p for p in path.glob(source.files) if p.is_file() and p.name[0] not in "._"]
        splits = find_splits([folder.name for folder in folders]) if source.named_splits else {}
        if splits:
            tops: dict[Path, Split | None] = {
                folder: splits[folder.name] for folder in folders if folder.name in splits
            }
            shown = ", ".join(f"{split} is {top.name}/" for top, split in tops.items())
            decided.append(
                f"Splits by name: {shown}. (--set data.source.named_splits=false draws them anew)"
            )
            if others := [folder.name for folder in folders if folder.name not in splits]:
                decided.append(f"Not read, as their names say no split: {', '.join(others)}.")
            return tops, decided
        if not source.named_splits:
            inner = [p for p in folders if split_of(p.name)]
            if len(inner) > 1:
                return dict.fromkeys(inner), decided
        deeper = any(p.is_dir() for folder in folders for p in folder.iterdir())
        if len(folders) == 1 and ((source.format == "lines" and not files) or deeper):
            path = folders[0]
            decided.append(f"The classes are found one level deeper, in {path.name}/.")
            continue
        break
    return {path: None}, decided


def _group_by_class(top: Path, source: TextSource) -> dict[str, list[Path]]:
    """Class name to its files, without hidden ones. A class is the stem of its file, or the ending
    where all stems are equal (`rt-polarity.neg`, `rt-polarity.pos`)."""

    def visible(folder: Path, pattern: str) -> list[Path]:
        chosen = folder.rglob(pattern) if source.format == "files" else folder.glob(pattern)
        return sorted(p for p in chosen if p.name[0] not in "._")

    if source.format == "files":
        folders = sorted(p for p in top.iterdir() if p.is_dir() and p.name[0] not in "._")
        pattern = _ANY_CASE.sub(lambda m: f"[{m[0].lower()}{m[0].upper()}]", source.files)
        classes = {f.name: [p for p in visible(f, pattern) if p.is_file()] for f in folders}
        return {name: files for name, files in classes.items() if files}
    files = [p for p in visible(top, source.files) if p.is_file()]
    by_ending = len({p.stem for p in files}) == 1
    classes = {}
    for file in files:
        classes.setdefault(file.suffix.lstrip(".") if by_ending else file.stem, []).append(file)
    return classes


def _read_raw(source: TextSource, files: list[Path], spark: SparkSession) -> DataFrame:
    """One column `content` with the bytes of a line or of a file."""
    places = [location(file) for file in files]
    if source.format == "lines":
        # Spark labels the bytes of a line as UTF-8 but does not change them: the cast gives them back.
        return spark.read.text(places).selectExpr("cast(value as binary) as content")
    return spark.read.format("binaryFile").load(places).select("content")


def _reason(source: TextSource) -> Column:
    from pyspark.sql import functions as F

    # Java replaces bytes that are no characters by this one.
    wrong = F.col("text").contains("\ufffd")
    excerpt = F.substring("text", 1, 40)
    return (
        F.when(F.col("broken").isNotNull(), F.col("broken"))
        .when(F.col("text").isNull(), "the text is null")
        .when(F.col("text").rlike(r"^\s*$"), "the text is blank")
        .when(wrong, F.concat(F.lit(f"not {source.encoding}, see data.source.encoding: "), excerpt))
        .when(F.col("class").isNull(), F.concat(F.lit("no class: "), excerpt))
        .when(F.lit(source.group_column is not None) & _no_group(source), "no group")
    )


def _no_group(source: TextSource) -> Column:
    from pyspark.sql import functions as F

    return F.col("group").isNull() if source.group_column else F.lit(False)
