"""One module per kind of source: its settings and its reader.

To add a kind, write a module with a `@config` class (with a `kind` of its own) and a function
`read(source, spark) -> CanonicalFrame`. Add the class to `Source`, and both to `_READERS`. If the
size is known without Spark, add `size(source) -> Size` too, in `_SIZES`. Functions import Spark,
pyarrow and Pillow themselves, so that settings can be read without these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from nets.custom import Custom
from nets.custom_field import CHECKED, DUMPED
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import ROWS_UNKNOWN, Size
from workbench.data.sources import (
    cifar,
    custom,
    dataframe,
    digits,
    idx,
    image_folder,
    image_table,
    picture_tars,
    series,
    sound_folder,
    sound_table,
    sound_tars,
    sql,
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
from workbench.data.sources.picture_tars import PictureTarsSource
from workbench.data.sources.series import SeriesSource
from workbench.data.sources.sound_folder import SoundFolderSource
from workbench.data.sources.sound_table import SoundTableSource
from workbench.data.sources.sound_tars import SoundTarsSource
from workbench.data.sources.sql import SqlSource
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
    "PictureTarsSource",
    "SeriesSource",
    "SoundFolderSource",
    "SoundTableSource",
    "SoundTarsSource",
    "Source",
    "SqlSource",
    "TableSource",
    "TextSource",
    "TsFileSource",
    "is_source",
    "read",
    "size",
]

_Shipped = (
    CifarArchiveSource
    | DataFrameSource
    | DigitsSource
    | IdxSource
    | ImageFolderSource
    | ImageTableSource
    | PictureTarsSource
    | SeriesSource
    | SoundFolderSource
    | SoundTableSource
    | SoundTarsSource
    | SqlSource
    | TableSource
    | TextSource
    | TsFileSource
)
if TYPE_CHECKING:
    Source = _Shipped | Custom
else:
    Source = Annotated[Annotated[_Shipped, Field(discriminator="kind")], CHECKED, DUMPED]

_READERS: dict[type, Callable[[Any, SparkSession], CanonicalFrame]] = {
    CifarArchiveSource: cifar.read,
    DataFrameSource: dataframe.read,
    DigitsSource: digits.read,
    IdxSource: idx.read,
    ImageFolderSource: image_folder.read,
    ImageTableSource: image_table.read,
    PictureTarsSource: picture_tars.read,
    SeriesSource: series.read,
    SoundFolderSource: sound_folder.read,
    SoundTableSource: sound_table.read,
    SoundTarsSource: sound_tars.read,
    SqlSource: sql.read,
    TableSource: table.read,
    TextSource: text.read,
    TsFileSource: ts_file.read,
}

_SIZES: dict[type, Callable[[Any], Size]] = {
    CifarArchiveSource: cifar.size,
    DigitsSource: digits.size,
    IdxSource: idx.size,
    ImageFolderSource: image_folder.size,
    PictureTarsSource: picture_tars.size,
    SoundFolderSource: sound_folder.size,
    SoundTarsSource: sound_tars.size,
    TextSource: text.size,
}


def is_source(value: Any) -> bool:
    """Whether a value is the settings of a source."""
    return isinstance(value, Custom) or type(value) in _READERS


def read(source: Any, spark: SparkSession) -> CanonicalFrame:
    """All rows of a source; `split` is "test" for the source's own test rows, else null.

    Raises:
        DataError: the source is missing or cannot be read.
    """
    if isinstance(source, Custom):
        return custom.read(source, spark)
    return _READERS[type(source)](source, spark)


def size(source: Any) -> Size:
    """Rows and spec of a source as far as file names and headers show them; Spark is not started.

    Raises:
        DataError: its files are missing, or of another kind.
    """
    kind = type(source)
    if kind in _SIZES:
        return _SIZES[kind](source)
    note = f"{ROWS_UNKNOWN} It also shows a sample's shape, which decides the net's size."
    return Size(notes=[note])
