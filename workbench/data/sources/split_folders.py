"""Which folders of paths are splits, by their names or by the setting."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from workbench.data.sources.folder_names import show_some
from workbench.data.split_names import Split, find_splits
from workbench.errors import DataError


def check_named(
    setting: Mapping[str, str] | None, parts: Collection[str], names: Collection[str]
) -> None:
    """
    Raises:
        DataError: the setting names a folder that is not there: its split would be drawn anew.
    """
    if missing := [name for name in setting or () if name not in parts]:
        raise DataError(
            f"data.source.splits names {', '.join(missing)}, and no such folders with folders of classes "
            f"are there. There is {show_some(list(names)) or 'nothing'}."
        )


def check_split(name: str) -> Split:
    """The name, where it is one of a split.

    Raises:
        DataError: it is none.
    """
    if name not in ("train", "validation", "test"):
        raise DataError(f"data.source.splits must say train, validation or test, got {name!r}.")
    return name  # type: ignore[return-value]


def find_split_level(
    paths: list[list[str]], setting: Mapping[str, str] | None, class_level: int | None = None
) -> tuple[int, dict[str, Split]]:
    """The first level at which folders are splits, and which; 0 and none where there is no such level.

    Args:
        paths: the folders of each file.
        class_level: a level that is none of splits.

    Raises:
        DataError: the setting names folders that are not there.
    """
    for level in range(max(map(len, paths), default=0)):
        if level == class_level:
            continue
        names = {folders[level] for folders in paths if len(folders) > level}
        parts = (
            find_splits(names)
            if setting is None
            else {name: check_split(setting[name]) for name in names if name in setting}
        )
        if parts:
            check_named(setting, parts, names)
            return level, parts
    check_named(setting, (), {folder for folders in paths for folder in folders})
    return 0, {}
