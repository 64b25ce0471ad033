"""Classes in the names of files: `cat.12.jpg`, `english_cocker_spaniel_3.jpg`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from nets.errors import ConfigError
from workbench.data.class_order import natural_order
from workbench.data.listing import Folder
from workbench.data.sources.folder_names import show_some
from workbench.data.sources.picture_layout import (
    FileKind,
    Found,
    Layout,
    get_ending,
)
from workbench.data.sources.split_folders import find_split_level
from workbench.errors import DataError

_USUAL = r"([^/]*?)[-_. ]*\(?\d+\)?\.\w+$"
"""A name, a number and an ending."""


def find_pattern_layout(
    folder: Folder, pattern: str, setting: Mapping[str, str] | None, kind: FileKind
) -> Layout:
    """The files below, with the class that the pattern finds in each path; splits by their folders.

    Raises:
        ConfigError: it is no regular expression with a group.
        DataError: it finds a class in no path, or `setting` names folders that are not there.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"data.source.class_pattern must be a regular expression, got {pattern!r}: {error}."
        ) from None
    if not compiled.groups:
        raise ConfigError(
            f"data.source.class_pattern must have a group in brackets, which is the class, got {pattern!r}."
        )
    files = [(path, size) for path, size in folder.walk() if get_ending(path) in kind.endings]
    if files and not any((m := compiled.search(path)) and m[1] for path, _ in files):
        raise DataError(
            f"data.source.class_pattern {pattern!r} finds a class in no path, such as {files[0][0]}. Its "
            "first group must be the class."
        )
    level, parts = find_split_level([path.split("/")[:-1] for path, _ in files], setting)
    layout = Layout([], ())
    for path, size in files:
        match, folders = compiled.search(path), path.split("/")[:-1]
        label = (match[1] or "") if match else ""
        problem = None if label else "data.source.class_pattern finds no class in its path"
        split = parts.get(folders[level]) if len(folders) > level else None
        layout.pictures.append(Found(path, size, label, split, problem))
    for name, split in parts.items():
        of_split = [found for found in layout.pictures if found.split == split]
        if split != "train" and not any(
            found.label for found in of_split
        ):  # Kaggle's test pictures
            layout.pictures = [found for found in layout.pictures if found.split != split]
            layout.decided.append(
                f"Left out: {name}/ holds {len(of_split)} {kind.noun} without classes"
            )
    layout.labels = natural_order(found.label for found in layout.pictures if found.label)
    layout.decided.append(f"Classes are what {pattern} finds in the paths")
    kept = {found.split for found in layout.pictures}
    layout.decided += [
        f"{name}/ is the {split} split" for name, split in parts.items() if split in kept
    ]
    return layout


def suggest_pattern(paths: Sequence[str], kind: FileKind) -> list[str]:
    """A sentence where the names of files of one class look as if they said classes."""
    names = Counter(match[1] for path in paths if (match := re.search(_USUAL, path)) and match[1])
    num = len(paths)
    if len(names) < 2 or len(names) * 3 > num or sum(names.values()) < 0.9 * num:
        return []
    return [
        f"The names of the {kind.noun} begin with {show_some(list(names))}. If these are the classes: "
        f"--set data.source.class_pattern='{_USUAL}'"
    ]
