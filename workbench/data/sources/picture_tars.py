"""Pictures in tar or zip archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sources.archive_files import count_archived, read_archives
from workbench.data.sources.picture_layout import PICTURES
from workbench.data.sources.settings import ArchiveSettings, PictureSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class PictureTarsSource(ArchiveSettings, PictureSettings):
    """Tar or zip archives. WebDataset's shards: files of one sample have one name (`000.jpg`, `000.cls`); or folders of classes."""

    kind: Literal["picture_tars"] = "picture_tars"
    path: str
    """A tar or zip archive, or a folder of them; archives named train, val, test and the like are splits."""
    image: str | None = None
    """Ending of a sample's picture, as jpg or left.png; None: the first picture of each sample."""


def read(source: PictureTarsSource, spark: SparkSession) -> CanonicalFrame:
    """Pictures of source.shape, uint8; classes in natural order, or as source.classes names them.

    Raises:
        DataError: there is no archive, it is damaged or compressed, or its pictures have no classes.
    """
    return read_archives(source, PICTURES, source.image, spark)


def size(source: PictureTarsSource) -> Size:
    """Pictures and classes, from the archives' headers.

    Raises:
        DataError: as `read` does.
    """
    return count_archived(source, PICTURES, source.image)
