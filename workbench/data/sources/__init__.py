"""One module per kind of source: its configuration, and beside it the reader that turns it into rows.

A new one: a module with a `@config` class (its own `kind`) and a `read(source, spark) -> CanonicalFrame`, then
its class in `Source` and both in `_READERS`; where the size shows without Spark, also a
`size(source) -> Size`, in `_SIZES`. Spark, pyarrow and Pillow are imported where they are
used, so that settings can be read without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from workbench.data.canonical import CanonicalFrame
from workbench.data.size import ROWS_UNKNOWN, Size
from workbench.data.sources import (
    cifar,
    dataframe,
    digits,
    idx,
    image_folder,
    image_table,
    series,
    table,
    text,
    ts_file,
)
from workbench.data.sources.cifar import CifarArchiveSource
from workbench.data.sources.dataframe import DataFrameSource
from workbench.data.sources.digits import DigitsSource
from workbench.data.sources.idx import IdxSource
from workbench.data.sources.image_folder import ImageFolderSource
from workbench.data.sources.image_table import ImageTableSource
from workbench.data.sources.series import SeriesSource
from workbench.data.sources.table import TableSource
from workbench.data.sources.text import TextSource
from workbench.data.sources.ts_file import TsFileSource

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "CifarArchiveSource",
    "DataFrameSource",
    "DigitsSource",
    "IdxSource",
    "ImageFolderSource",
    "ImageTableSource",
    "SeriesSource",
    "Source",
    "TableSource",
    "TextSource",
    "TsFileSource",
    "read",
    "size",
]

Source = Annotated[
    CifarArchiveSource
    | DataFrameSource
    | DigitsSource
    | IdxSource
    | ImageFolderSource
    | ImageTableSource
    | SeriesSource
    | TableSource
    | TextSource
    | TsFileSource,
    Field(discriminator="kind"),
]

_READERS: dict[type, Callable[[Any, SparkSession], CanonicalFrame]] = {
    CifarArchiveSource: cifar.read,
    DataFrameSource: dataframe.read,
    DigitsSource: digits.read,
    IdxSource: idx.read,
    ImageFolderSource: image_folder.read,
    ImageTableSource: image_table.read,
    SeriesSource: series.read,
    TableSource: table.read,
    TextSource: text.read,
    TsFileSource: ts_file.read,
}

_SIZES: dict[type, Callable[[Any], Size]] = {
    CifarArchiveSource: cifar.size,
    DigitsSource: digits.size,
    IdxSource: idx.size,
    ImageFolderSource: image_folder.size,
    TextSource: text.size,
}


def read(source: Any, spark: SparkSession) -> CanonicalFrame:
    """All rows of a source; `split` is "test" where the source itself says so, else null.

    Raises:
        DataError: the source is missing or cannot be read.
    """
    return _READERS[type(source)](source, spark)


def size(source: Any) -> Size:
    """Rows and spec of a source, as far as counted files and headers show them.

    Raises:
        DataError: its files are not there, or are of another kind.
    """
    kind = type(source)
    if kind in _SIZES:
        return _SIZES[kind](source)
    note = f"{ROWS_UNKNOWN} It also tells a sample's shape, which the net's size hangs on."
    return Size(notes=[note])
