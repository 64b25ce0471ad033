"""A table with encoded pictures: Parquet, ORC, JSON, CSV or any format that Spark has a reader for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.csv_config import CsvConfig
from workbench.data.pictures import picture_spec
from workbench.data.sources.encoded_table import read_encoded

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
    """Pictures of source.shape, uint8.

    Raises:
        DataError: a table cannot be read or lacks a column, or the test table has other columns.
    """
    spec = picture_spec(source.shape)
    return read_encoded(source, spark, spec, column=source.image, setting="image")
