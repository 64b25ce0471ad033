"""A table with encoded pictures: Parquet, ORC, JSON, CSV or any format that Spark has a reader for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.columns import quote
from workbench.data.csv_config import CsvConfig
from workbench.data.frames import from_dataframe
from workbench.data.pictures import picture_spec
from workbench.data.rows import BROKEN
from workbench.data.sources.open_table import SPLIT, OpenTable, mark_splits, open_table
from workbench.data.sources.picture_columns import name_classes
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_PICTURE, _CLASS = "__picture", "__class"


@config
class ImageTableSource:
    """A table with a picture (JPEG, PNG, ...; base64 where the format has no bytes) in each row."""

    kind: Literal["image_table"] = "image_table"
    path: str
    """The table: a file or folder, or a URL that Spark reads."""
    test_path: str | None = None
    """A table of the same columns whose rows are the test set; None: drawn, or as `split` says."""
    format: str = "parquet"
    """Spark's name of the format: parquet, orc, json, csv (and TSV), delta, ..."""
    image: str = "image"
    """Column of the pictures: bytes, base64 text, Spark's image struct, or HuggingFace's struct of bytes and path; a dot leads into a struct (`image.bytes`)."""
    label: str = "label"
    """Column of the classes: text or numbers."""
    split: str | None = None
    """Column of train, validation, test or null, in any usual spelling; None: a column named split, set, ... where its values are names of splits."""
    named_splits: bool = True
    """Whether names of files, folders and columns say the splits (train.parquet, test/); False: they are drawn."""
    key: str | None = None
    """Column that names the rows; None: a hash of each row."""
    group: str | None = None
    """Column whose equal values stay together where data.split.by is group."""
    time: str | None = None
    """Column of numbers, dates or timestamps that rows are ordered by where data.split.by is time."""
    shape: tuple[int, int, int] = (3, 32, 32)
    """(channels, height, width) every picture is converted to: 1 grey, 3 RGB, 4 RGBA; scaled and cut."""
    csv: CsvConfig = CsvConfig()
    """csv: how the files are written."""

    def __post_init__(self) -> None:
        picture_spec(self.shape)


def read(source: ImageTableSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8; classes in order, by the names that HuggingFace's files keep.

    Raises:
        DataError: a table cannot be read or lacks a column, or the test table has other columns.
    """
    from pyspark.sql import functions as F

    opened, split = _open(source, spark)
    decided = list(opened.decided)
    frame = opened.frame.withColumn(_PICTURE, _pictures(opened.frame, source.image, decided))
    label, names = name_classes(frame, source.label, source.format, source.path, decided)
    frame = frame.withColumn(_CLASS, label)
    used = {source.image.partition(".")[0], source.image, source.label, split}
    used |= {source.key, source.group, source.time}
    if unused := [name for name in opened.columns if name not in used]:
        decided.append(f"Columns that are not read: {', '.join(unused)}.")
    good = frame.where(F.col(BROKEN).isNull())
    canonical = from_dataframe(
        good,
        features=_PICTURE,
        label=_CLASS,
        spec=picture_spec(source.shape),
        split=SPLIT,
        key=source.key,
        group=source.group,
        time=source.time,
        labels=names or "fit",
    )
    return replace(canonical, decided=tuple(decided), bad=_add_broken(canonical, frame))


def _open(source: ImageTableSource, spark: SparkSession) -> tuple[OpenTable, str | None]:
    """The rows of one table or two, with their split, and the column that says it."""
    settings = ("label", "split", "key", "group", "time")
    required = {name: value for name in settings if (value := getattr(source, name))}

    def open_one(path: str, by_name: bool) -> OpenTable:
        opened = open_table(spark, path, source.format, source.csv, required, named_splits=by_name)
        top = source.image.partition(".")[0]
        if source.image not in opened.columns and top not in opened.columns:
            raise DataError(
                f"{path} has no column {source.image!r}. It has {', '.join(opened.columns)}. Say which "
                "holds the pictures with --set data.source.image=COLUMN."
            )
        return opened

    opened, split = mark_splits(
        open_one(source.path, source.named_splits), source.split, by_name=source.named_splits
    )
    if source.test_path is None:
        return opened, split
    from pyspark.sql import functions as F

    test = open_one(source.test_path, False)
    if differing := set(opened.columns) ^ set(test.columns):
        raise DataError(
            "The tables data.source.path and test_path must have the same columns; only one of them "
            f"has {', '.join(sorted(differing))}."
        )
    marked = test.frame.withColumn(SPLIT, F.lit("test"))
    return replace(opened, frame=opened.frame.unionByName(marked)), split


def _pictures(frame: DataFrame, image: str, decided: list[str]) -> Column:
    """The column of pictures: itself, or a field of a struct."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructType

    if image in frame.columns:
        column, kind = F.col(quote(image)), frame.schema[image].dataType
        if isinstance(kind, StructType) and "bytes" in kind.names:
            decided.append(f"Pictures are the field bytes of the column {image}.")
            return column["bytes"]
        return column
    top, *fields = image.split(".")
    column, kind = F.col(quote(top)), frame.schema[top].dataType
    for name in fields:
        if not isinstance(kind, StructType) or name not in kind.names:
            names = ", ".join(kind.names) if isinstance(kind, StructType) else "no fields"
            raise DataError(
                f"data.source.image {image!r} leads to no field: {top} is {kind.simpleString()}, with "
                f"{names}. Set data.source.image to a column, or to {top}.FIELD."
            )
        column, kind = column[name], kind[name].dataType
    return column


def _add_broken(canonical: CanonicalFrame, frame: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    assert canonical.bad is not None
    broken = frame.where(F.col(BROKEN).isNotNull())
    reason = F.concat(
        F.lit("a row that does not have the columns of the table: "), F.substring(BROKEN, 1, 60)
    )
    return canonical.bad.union(broken.select(F.hex(F.xxhash64(BROKEN)).alias("key"), reason))
