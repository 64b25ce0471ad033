"""Sound files in folders of classes or beside a table of classes, decoded by Spark's executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.size import Size
from workbench.data.sounds import load_soundfile, sound_spec
from workbench.data.sources.labelled_folder import count_files, read_files
from workbench.data.sources.picture_layout import SOUNDS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@config
class SoundFolderSource:
    """WAV, FLAC, OGG or MP3 files in one folder per class, maybe below folders of splits; or beside a table of classes."""

    kind: Literal["sound_folder"] = "sound_folder"
    path: str
    """The folder."""
    rate: int = Field(default=16_000, ge=1)
    """Samples a second that every sound is converted to."""
    seconds: float = Field(default=1.0, gt=0)
    """Length of a sample: the middle of a longer sound is kept, a shorter one is followed by silence."""
    splits: dict[str, Literal["train", "validation", "test"]] | None = None
    """Folder name to split, as {"part1": "train", "part2": "test"}; None: folders named train, val, valid, test and the like are splits, and so are lists as testing_list.txt; {}: neither is."""
    class_level: int | None = Field(default=None, ge=0)
    """Which folder of a sound's path is its class: 0 the first below `path`; None: found."""
    class_pattern: str | None = None
    """Regular expression whose first group in a sound's path (from `path`) is its class, as (\\w+)\\.\\d+ for cat.12.jpg; None: classes are folders or a table's."""
    table: str | None = None
    """A CSV or TSV file with a row per sound: its file name (with or without ending) and its class; None: used where one lies beside sounds without folders of classes."""
    file: str | None = None
    """The table's column of file names; None: the one whose values are files."""
    label: str | None = None
    """The table's column of classes; None: found by its name."""

    def __post_init__(self) -> None:
        sound_spec(self.rate, self.seconds)


def read(source: SoundFolderSource, spark: SparkSession) -> CanonicalFrame:
    """Sounds of source.seconds, int16; classes in natural order.

    Folders named as splits in their usual spellings are the splits, and lists of files as Speech
    Commands has them (validation_list.txt, testing_list.txt). A file that is no sound is a bad row.

    Raises:
        DataError: there are no class folders or no files in them, or soundfile is not installed.
    """
    load_soundfile()
    return read_files(source, SOUNDS, sound_spec(source.rate, source.seconds), spark)


def size(source: SoundFolderSource) -> Size:
    """Sounds and classes, counted.

    Raises:
        DataError: there is no such folder.
    """
    return count_files(source, SOUNDS, sound_spec(source.rate, source.seconds))
