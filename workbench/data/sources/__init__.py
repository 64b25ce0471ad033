"""One module per kind of source; each turns its configuration into rows without a split."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from workbench.data.config import CifarArchiveSource, DigitsSource, ImageFolderSource
from workbench.data.sources import cifar, digits, image_folder
from workbench.data.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_READERS: dict[type, Callable[[Any, SparkSession], Table]] = {
    CifarArchiveSource: cifar.read,
    DigitsSource: digits.read,
    ImageFolderSource: image_folder.read,
}


def read(source: Any, spark: SparkSession) -> Table:
    """All rows of a source; `split` is "test" where the source itself says so, else null.

    Raises:
        DataError: the source is missing or cannot be read.
    """
    return _READERS[type(source)](source, spark)
