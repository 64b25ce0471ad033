"""A table with encoded pictures: Parquet, ORC, JSON, CSV or any format that Spark has a reader for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.frames import from_dataframe
from workbench.data.pictures import picture_spec
from workbench.data.sources.tables import read_tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class ImageTableSource:
    """A table with a picture (JPEG, PNG, ...; base64 where the format has no bytes) in each row."""

    kind: Literal["image_table"] = "image_table"
    path: str
    """The table: a file or folder, or a URL that Spark reads."""
    test_path: str | None = None
    """A table of the same columns whose rows are the test set; None: drawn, or as `split` says."""
    format: str = "parquet"
    """Spark's name of the format: parquet, orc, json, csv (with a header), delta, ..."""
    image: str = "image"
    """Column of the pictures: bytes, base64 text, or Spark's image struct."""
    label: str = "label"
    """Column of the classes: text or numbers."""
    split: str | None = None
    """Column of train, validation, test or null; None: there is none."""
    key: str | None = None
    """Column that names the rows; None: a hash of each row."""
    group: str | None = None
    """Column whose equal values stay together where data.split.by is group."""
    time: str | None = None
    """Column of numbers, dates or timestamps that rows are ordered by where data.split.by is time."""
    shape: tuple[int, int, int] = (3, 32, 32)
    """(channels, height, width) every picture is converted to: 1 grey, 3 RGB, 4 RGBA; scaled and cut."""

    def __post_init__(self) -> None:
        picture_spec(self.shape)


def read(source: ImageTableSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8; classes are the labels in order.

    Raises:
        DataError: a table cannot be read or lacks a column, or the test table has other columns.
    """
    columns = [source.image, source.label, source.split, source.key, source.group, source.time]
    frame, split = read_tables(spark, source, [name for name in columns if name])
    return from_dataframe(
        frame,
        features=source.image,
        label=source.label,
        spec=picture_spec(source.shape),
        split=split,
        key=source.key,
        group=source.group,
        time=source.time,
        labels="fit",
    )
