"""Sounds in tar or zip archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sounds import load_soundfile
from workbench.data.sources.archive_files import count_archived, read_archives
from workbench.data.sources.picture_layout import SOUNDS
from workbench.data.sources.settings import ArchiveSettings, SoundSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class SoundTarsSource(ArchiveSettings, SoundSettings):
    """Tar or zip archives of WAV, FLAC, OGG or MP3 files: WebDataset's shards (`000.flac`, `000.cls`), or folders of classes."""

    kind: Literal["sound_tars"] = "sound_tars"
    path: str
    """A tar or zip archive, or a folder of them; archives named train, val, test and the like are splits."""
    sound: str | None = None
    """Ending of a sample's sound, as flac or left.wav; None: the first sound of each sample."""


def read(source: SoundTarsSource, spark: SparkSession) -> CanonicalFrame:
    """Sounds of source.seconds, int16; classes in natural order, or as source.classes names them.

    Raises:
        DataError: there is no archive, it is damaged or compressed, its sounds have no classes, or
            soundfile is not installed.
    """
    load_soundfile()
    return read_archives(source, SOUNDS, source.sound, spark)


def size(source: SoundTarsSource) -> Size:
    """Sounds and classes, from the archives' headers.

    Raises:
        DataError: as `read` does.
    """
    return count_archived(source, SOUNDS, source.sound)
