"""Files in folders of classes or beside a table of classes: found, with their classes and splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.listing import Folder, describe_ignored, list_folder
from workbench.data.size import Size
from workbench.data.sources.name_pattern import find_pattern_layout, suggest_pattern
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_files import PictureFile, read_pictures
from workbench.data.sources.picture_layout import SOUNDS, FileKind, Layout, find_layout
from workbench.data.sources.picture_table import TableSettings, find_table_layout
from workbench.data.sources.sound_lists import mark_listed
from workbench.data.split_names import split_of
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class FolderSettings(TableSettings, Protocol):
    """The settings that such sources share."""

    @property
    def path(self) -> str: ...
    @property
    def splits(self) -> Mapping[str, Literal["train", "validation", "test"]] | None: ...
    @property
    def class_level(self) -> int | None: ...
    @property
    def class_pattern(self) -> str | None: ...


def read_files(
    source: FolderSettings, kind: FileKind, spec: TensorSpec, spark: SparkSession
) -> CanonicalFrame:
    """The files as samples of `spec`; classes in natural order.

    Raises:
        DataError: there are no class folders or no files in them.
    """
    root, layout = find_files(source, kind)
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
    canonical = read_pictures(spark, files, spec, layout.labels)
    return replace(canonical, decided=tuple(f"{text}." for text in layout.decided))


def find_files(source: FolderSettings, kind: FileKind) -> tuple[Path, Layout]:
    """The folder, and its files with their classes and splits.

    Raises:
        DataError: as `read_files` does.
    """
    what = f"a folder with one folder of {kind.noun} per class"
    root = find_path(source.path, what)
    if not root.is_dir():
        raise DataError(f"data.source.path must be {what}, and {root} is a file.")
    folder, ignored = list_folder(root)
    layout = _find_layout(source, root, folder, kind)
    if layout is None or not layout.pictures:
        raise DataError(
            f"{root} must hold one folder of {kind.noun} per class (maybe below train/ and test/), or a "
            f"table of file names and classes beside {kind.noun}, got {len(folder.folders)} folders and "
            f"{sum(1 for _ in folder.walk())} files in all."
        )
    if ignored:
        layout.decided.append(f"Ignored: {describe_ignored(ignored)}")
    return root, layout


def count_files(source: FolderSettings, kind: FileKind, spec: TensorSpec) -> Size:
    """Files and classes, counted.

    Raises:
        DataError: there is no such folder.
    """
    _, layout = find_files(source, kind)
    return Size(rows=len(layout.pictures), spec=spec, num_outputs=max(2, len(layout.labels)))


def _find_layout(
    source: FolderSettings, root: Path, folder: Folder, kind: FileKind
) -> Layout | None:
    if source.table is not None:
        return find_table_layout(folder, root, source, kind)
    if source.class_pattern is not None:
        return find_pattern_layout(folder, source.class_pattern, source.splits, kind)
    reason = None
    try:
        layout = find_layout(
            folder, splits=source.splits, class_level=source.class_level, kind=kind
        )
    except DataError as error:
        layout, reason = None, error
    chosen = source.class_level is not None or source.splits is not None
    if not chosen and (layout is None or len(layout.labels) < 2):
        # Folders name no classes: a table may.
        layout = find_table_layout(folder, root, source, kind) or layout
    if layout is None and reason is not None:
        trained = [
            path for path, _ in folder.walk() if "train" in map(split_of, path.split("/")[:-1])
        ]
        raise DataError(" ".join([str(reason), *suggest_pattern(trained, kind)])) from reason
    if not chosen and layout is not None and len(layout.labels) < 2:
        layout.decided += suggest_pattern([found.path for found in layout.pictures], kind)
    for name in ("file", "label"):
        if getattr(source, name) and (layout is None or not layout.from_table):
            raise DataError(
                f"data.source.{name} {getattr(source, name)!r} is a column of a table, and the classes "
                f"of these {kind.noun} are their folders. Name the table with data.source.table."
            )
    if kind is SOUNDS and layout is not None and source.splits is None:
        mark_listed(layout, root, folder)
    return layout
