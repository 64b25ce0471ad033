"""Image files in folders of classes or beside a table of classes, decoded by Spark's executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sources.labelled_folder import count_files, read_files
from workbench.data.sources.picture_layout import PICTURES
from workbench.data.sources.settings import FolderSettings, PictureSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class ImageFolderSource(FolderSettings, PictureSettings):
    """Image files in one folder per class, maybe below folders of splits; or beside a table of classes."""

    kind: Literal["image_folder"] = "image_folder"
    path: str
    """The folder."""

    def __post_init__(self) -> None:
        FolderSettings.__post_init__(self)
        PictureSettings.__post_init__(self)


def read(source: ImageFolderSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8; classes in natural order.

    Folders named as splits in their usual spellings are the splits. Files that systems leave behind are
    ignored and counted; other files count, whatever their ending: one that is no picture becomes a
    bad row.

    Raises:
        DataError: there are no class folders or no files in them.
    """
    return read_files(source, PICTURES, source.spec, spark)


def size(source: ImageFolderSource) -> Size:
    """Pictures and classes, counted.

    Raises:
        DataError: there is no such folder.
    """
    return count_files(source, PICTURES, source.spec)
