"""Image files in folders of classes or beside a table of classes, decoded by Spark's executors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nets.config import config
from workbench.data.canonical import CanonicalFrame
from workbench.data.listing import Folder, describe_ignored, list_folder
from workbench.data.pictures import picture_spec
from workbench.data.size import Size
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_files import PictureFile, read_pictures
from workbench.data.sources.picture_layout import Layout, find_layout
from workbench.data.sources.picture_table import find_table_layout
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_WHAT = "a folder with one folder of pictures per class"


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
    root, layout = find_pictures(source)
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
    canonical = read_pictures(spark, files, picture_spec(source.shape), layout.labels)
    return replace(canonical, decided=tuple(f"{text}." for text in layout.decided))


def find_pictures(source: ImageFolderSource) -> tuple[Path, Layout]:
    """The folder, and its pictures with their classes and splits.

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
            f"{root} must hold one folder of pictures per class (maybe below train/ and test/), or a "
            f"table of file names and classes beside pictures, got {len(folder.folders)} folders and "
            f"{sum(1 for _ in folder.walk())} files in all."
        )
    if ignored:
        layout.decided.append(f"Ignored: {describe_ignored(ignored)}")
    return root, layout


def _find_layout(source: ImageFolderSource, root: Path, folder: Folder) -> Layout | None:
    if source.table is not None:
        return find_table_layout(folder, root, source)
    reason = None
    try:
        layout = find_layout(folder, splits=source.splits, class_level=source.class_level)
    except DataError as error:
        layout, reason = None, error
    chosen = source.class_level is not None or source.splits is not None
    if not chosen and (layout is None or len(layout.labels) < 2):
        # Folders name no classes: a table may.
        layout = find_table_layout(folder, root, source) or layout
    if layout is None and reason is not None:
        raise reason
    for name in ("file", "label"):
        if getattr(source, name) and (layout is None or not layout.from_table):
            raise DataError(
                f"data.source.{name} {getattr(source, name)!r} is a column of a table, and the classes "
                "of these pictures are their folders. Name the table with data.source.table."
            )
    return layout


def size(source: ImageFolderSource) -> Size:
    """Pictures and classes, counted.

    Raises:
        DataError: there is no such folder.
    """
    _, layout = find_pictures(source)
    return Size(
        rows=len(layout.pictures),
        spec=picture_spec(source.shape),
        num_outputs=max(2, len(layout.labels)),
    )
