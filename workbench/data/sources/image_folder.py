"""Image files in folders of classes or beside a table of classes, decoded by Spark's executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.pictures import picture_spec
from workbench.data.size import Size
from workbench.data.sources.labelled_folder import count_files, read_files
from workbench.data.sources.picture_layout import PICTURES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class ImageFolderSource:
    """Image files in one folder per class, maybe below folders of splits; or beside a table of classes."""

    kind: Literal["image_folder"] = "image_folder"
    path: str
    """The folder."""
    shape: tuple[int, int, int] = (3, 32, 32)
    """(channels, height, width) every picture is converted to: 1 grey, 3 RGB, 4 RGBA; scaled and cut."""
    splits: dict[str, Literal["train", "validation", "test"]] | None = None
    """Folder name to split, as {"part1": "train", "part2": "test"}; None: folders named train, val, valid, test and the like are splits; {}: no folder is one."""
    class_level: int | None = Field(default=None, ge=0)
    """Which folder of a picture's path is its class: 0 the first below `path`; None: found."""
    class_pattern: str | None = None
    """Regular expression whose first group in a picture's path (from `path`) is its class, as (\\w+)\\.\\d+ for cat.12.jpg; None: classes are folders or a table's."""
    table: str | None = None
    """A CSV or TSV file with a row per picture: its file name (with or without ending) and its class; None: used where one lies beside pictures without folders of classes."""
    file: str | None = None
    """The table's column of file names; None: the one whose values are files."""
    label: str | None = None
    """The table's column of classes; None: found by its name."""

    def __post_init__(self) -> None:
        picture_spec(self.shape)


def read(source: ImageFolderSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8; classes in natural order.

    Folders named as splits in their usual spellings are the splits. Files that systems leave behind are
    ignored and counted; other files count, whatever their ending: one that is no picture becomes a
    bad row.

    Raises:
        DataError: there are no class folders or no files in them.
    """
    return read_files(source, PICTURES, picture_spec(source.shape), spark)


def size(source: ImageFolderSource) -> Size:
    """Pictures and classes, counted.

    Raises:
        DataError: there is no such folder.
    """
    return count_files(source, PICTURES, picture_spec(source.shape))
