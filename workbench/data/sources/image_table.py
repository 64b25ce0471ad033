"""A table with encoded pictures: Parquet, ORC, JSON, CSV or any format that Spark has a reader for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.csv_config import CsvConfig
from workbench.data.sources.encoded_table import read_encoded
from workbench.data.sources.settings import PictureSettings, RowSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class ImageTableSource(RowSettings, PictureSettings):
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
    named_splits: bool = True
    """Whether names of files, folders and columns say the splits (train.parquet, test/); False: they are drawn."""
    csv: CsvConfig = CsvConfig()
    """csv: how the files are written."""


def read(source: ImageTableSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8.

    Raises:
        DataError: a table cannot be read or lacks a column, or the test table has other columns.
    """
    return read_encoded(source, spark, source.spec, column=source.image, setting="image")
