"""Sound files in folders of classes or beside a table of classes, decoded by Spark's executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sounds import load_soundfile
from workbench.data.sources.labelled_folder import count_files, read_files
from workbench.data.sources.picture_layout import SOUNDS
from workbench.data.sources.settings import FolderSettings, SoundSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class SoundFolderSource(FolderSettings, SoundSettings):
    """WAV, FLAC, OGG or MP3 files in one folder per class, maybe below folders of splits; or beside a table of classes."""

    kind: Literal["sound_folder"] = "sound_folder"
    path: str
    """The folder."""

    def __post_init__(self) -> None:
        FolderSettings.__post_init__(self)
        SoundSettings.__post_init__(self)


def read(source: SoundFolderSource, spark: SparkSession) -> CanonicalFrame:
    """Sounds of source.seconds, int16; classes in natural order.

    Folders named as splits in their usual spellings are the splits, and lists of files as Speech
    Commands has them (validation_list.txt, testing_list.txt). A file that is no sound is a bad row.

    Raises:
        DataError: there are no class folders or no files in them, or soundfile is not installed.
    """
    load_soundfile()
    return read_files(source, SOUNDS, source.spec, spark)


def size(source: SoundFolderSource) -> Size:
    """Sounds and classes, counted.

    Raises:
        DataError: there is no such folder.
    """
    return count_files(source, SOUNDS, source.spec)
