"""Sound files in folders of classes or beside a table of classes, decoded by Spark's executors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.listing import Folder, describe_ignored, list_folder
from workbench.data.size import Size
from workbench.data.sounds import load_soundfile, sound_spec
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_files import PictureFile, read_pictures
from workbench.data.sources.picture_layout import SOUNDS, Layout, find_layout
from workbench.data.sources.picture_table import find_table_layout
from workbench.data.sources.sound_lists import mark_listed
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_WHAT = "a folder with one folder of sounds per class"


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
    root, layout = find_sounds(source)
    index = {name: i for i, name in enumerate(layout.labels)}
    files = [
        PictureFile(
            path=f"{root}/{found.path}",
            key=found.path,
            label=index.get(found.label, 0),
            split=None if found.split == "train" else found.split,
            size=found.size,
            problem=found.problem,
        )
        for found in layout.pictures
    ]
    spec = sound_spec(source.rate, source.seconds)
    canonical = read_pictures(spark, files, spec, layout.labels)
    return replace(canonical, decided=tuple(f"{text}." for text in layout.decided))


def find_sounds(source: SoundFolderSource) -> tuple[Path, Layout]:
    """The folder, and its sounds with their classes and splits.

    Raises:
        DataError: as `read` does.
    """
    root = find_path(source.path, _WHAT)
    if not root.is_dir():
        raise DataError(f"data.source.path must be {_WHAT}, and {root} is a file.")
    folder, ignored = list_folder(root)
    layout = _find_layout(source, root, folder)
    if layout is None or not layout.pictures:
        raise DataError(
            f"{root} must hold one folder of sounds per class (maybe below train/ and test/), or a "
            f"table of file names and classes beside sounds, got {len(folder.folders)} folders and "
            f"{sum(1 for _ in folder.walk())} files in all."
        )
    if ignored:
        layout.decided.append(f"Ignored: {describe_ignored(ignored)}")
    return root, layout


def _find_layout(source: SoundFolderSource, root: Path, folder: Folder) -> Layout | None:
    if source.table is not None:
        return find_table_layout(folder, root, source, SOUNDS)
    reason = None
    try:
        layout = find_layout(
            folder, splits=source.splits, class_level=source.class_level, kind=SOUNDS
        )
    except DataError as error:
        layout, reason = None, error
    chosen = source.class_level is not None or source.splits is not None
    if not chosen and (layout is None or len(layout.labels) < 2):
        # Folders name no classes: a table may.
        layout = find_table_layout(folder, root, source, SOUNDS) or layout
    if layout is None and reason is not None:
        raise reason
    for name in ("file", "label"):
        if getattr(source, name) and (layout is None or not layout.from_table):
            raise DataError(
                f"data.source.{name} {getattr(source, name)!r} is a column of a table, and the classes "
                "of these sounds are their folders. Name the table with data.source.table."
            )
    if layout is not None and source.splits is None:
        mark_listed(layout, root, folder)
    return layout


def size(source: SoundFolderSource) -> Size:
    """Sounds and classes, counted.

    Raises:
        DataError: there is no such folder.
    """
    _, layout = find_sounds(source)
    return Size(
        rows=len(layout.pictures),
        spec=sound_spec(source.rate, source.seconds),
        num_outputs=max(2, len(layout.labels)),
    )
