"""One module per kind of source: its configuration, and beside it the reader that turns it into rows.

A new one: a module with a `@config` class (its own `kind`) and a `read(source, spark) -> Table`, then
its class in `Source` and both in `_READERS`. Spark, pyarrow and Pillow are imported where they are
used, so that settings can be read without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from workbench.data.sources import cifar, digits, image_folder, image_table, text
from workbench.data.sources.cifar import CifarArchiveSource
from workbench.data.sources.digits import DigitsSource
from workbench.data.sources.image_folder import ImageFolderSource
from workbench.data.sources.image_table import ImageTableSource
from workbench.data.sources.text import TextSource
from workbench.data.table import Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "CifarArchiveSource",
    "DigitsSource",
    "ImageFolderSource",
    "ImageTableSource",
    "Source",
    "TextSource",
    "read",
]

Source = Annotated[
    DigitsSource | CifarArchiveSource | ImageFolderSource | ImageTableSource | TextSource,
    Field(discriminator="kind"),
]

_READERS: dict[type, Callable[[Any, SparkSession], Table]] = {
    CifarArchiveSource: cifar.read,
    DigitsSource: digits.read,
    ImageFolderSource: image_folder.read,
    TextSource: text.read,
    ImageTableSource: image_table.read,
}


def read(source: Any, spark: SparkSession) -> Table:
    """All rows of a source; `split` is "test" where the source itself says so, else null.

    Raises:
        DataError: the source is missing or cannot be read.
    """
    return _READERS[type(source)](source, spark)
