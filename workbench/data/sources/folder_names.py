"""Names of folders: those that are no classes (`images`, `masks`, `fold1`), and some of many."""

from __future__ import annotations

import re
from collections.abc import Collection

from workbench.errors import DataError

_CONTAINERS = frozenset(
    ("images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "frames", "data")
)
_MASKS = frozenset(
    (
        *("masks", "mask", "labels", "label", "annotations", "annotation", "gt", "groundtruth"),
        *("ground_truth", "segmentation", "segmentations", "segmentationclass", "trimaps"),
    )
)
_NUMBERED = re.compile(
    r"(folds?|parts?|batch|chunk|shard|session|subject|participant|person|patient|user|speaker|actor|"
    r"camera|cam)[-_ ]*\d+",
    re.IGNORECASE,
)


def refuse_masks(classes: Collection[str], noun: str) -> None:
    """
    Raises:
        DataError: these folders are pictures and their masks.
    """
    names = {name.casefold() for name in classes}
    if names <= _CONTAINERS | _MASKS and names & _CONTAINERS and names & _MASKS:
        raise DataError(
            f"The folders {', '.join(sorted(classes))} look like {noun} and their masks. Nets here learn one "
            "class for each sample, no masks. If these folders are the classes: --set "
            "data.source.class_level=0, or the level at which they are."
        )


def no_classes(folders: Collection[str], classes: Collection[str]) -> bool:
    """Whether the folders of a split are no classes: none, or one as `images` that other splits lack.

    Args:
        classes: names of classes of the splits before it, in small letters; empty where it is the first.
    """
    names = {name.casefold() for name in folders}
    return not names or (bool(classes) and names <= _CONTAINERS - set(classes))


def are_numbered(folders: Collection[str]) -> bool:
    """Whether all are parts of the data by their names: `fold1`, `fold2`, `subject_03`."""
    return len(folders) > 1 and all(map(_NUMBERED.fullmatch, folders))


def show_some(names: list[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
