"""Which class and split the pictures or sounds of a folder have, by the names of their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.data import pictures as picture_files
from workbench.data import sounds as sound_files
from workbench.data.class_order import natural_order
from workbench.data.listing import Folder
from workbench.data.sources.folder_names import are_numbered, no_classes, refuse_masks, show_some
from workbench.data.sources.split_folders import check_named, check_split, find_split_level
from workbench.data.split_names import Split, find_splits, split_of
from workbench.errors import DataError

_OTHERS = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".rst", ".html"),
    *(".htm", ".pdf", ".db", ".ini", ".log", ".npy", ".npz", ".mat", ".pkl", ".h5", ".pt", ".pth"),
    *(".ckpt", ".py", ".ipynb", ".zip", ".gz", ".tar", ".sh", ".lnk", ".url", ".names", ".data"),
)
"""Endings of files that nobody takes for pictures. A file of any other ending beside pictures is a row."""


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """What the files of a folder are."""

    noun: str
    """In the plural."""
    endings: tuple[str, ...]
    others: tuple[str, ...]
    """Endings of files beside them that are no rows."""


PICTURES = FileKind(noun="pictures", endings=picture_files.ENDINGS, others=_OTHERS)
SOUNDS = FileKind(
    noun="sounds",
    endings=sound_files.ENDINGS,
    others=(*_OTHERS, *picture_files.ENDINGS, ".lab", ".textgrid", ".mid", ".midi", ".srt", ".asd"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """A picture or sound, and what the folder says of it."""

    path: str
    """From the source's folder, with /."""
    size: int
    """Bytes."""
    label: str
    split: Split | None
    """None: the folder does not say."""
    problem: str | None = None
    """Why it cannot be a row; None: nothing speaks against it so far."""


@dataclass
class Layout:
    """The pictures or sounds of a folder."""

    pictures: list[Found]
    labels: tuple[str, ...]
    """Class names in natural order."""
    decided: list[str] = field(default_factory=list)
    """What was decided, in sentences."""
    from_table: bool = False
    """Classes come from a table, not from folders."""


def find_layout(
    root: Folder,
    *,
    splits: Mapping[str, str] | None = None,
    class_level: int | None = None,
    kind: FileKind = PICTURES,
) -> Layout | None:
    """Classes and splits by folder names; None where no folder below holds files of the kind.

    Args:
        splits: folder name to split; None: by their usual names.
        class_level: which folder of a path names the class, from 0; None: found.

    Raises:
        DataError: `splits` names no folder, no folder is at that level, or there are folders of splits
            without folders of classes.
    """
    pictures = _Files(root, kind)
    if class_level is not None:
        layout = _by_level(root, pictures, splits, class_level)
    elif not pictures.folders_in(root):
        return None
    else:
        layout = _by_names(root, pictures, splits)
    layout = _finish(layout, root, kind)
    if class_level is None:
        refuse_masks(layout.labels, kind.noun)
    return layout


class _Files:
    """Which files are pictures, by their endings; where no file has such an ending, every file is."""

    def __init__(self, root: Folder, kind: FileKind) -> None:
        self.kind, self.noun = kind, kind.noun
        self._any_ending = not any(get_ending(path) in kind.endings for path, _ in root.walk())
        self._counts: dict[int, int] = {}

    def count(self, folder: Folder) -> int:
        """Pictures in the folder and below."""
        if id(folder) not in self._counts:
            here = sum(map(self.shows, folder.files))
            below = sum(map(self.count, folder.folders.values()))
            self._counts[id(folder)] = here + below
        return self._counts[id(folder)]

    def shows(self, name: str) -> bool:
        ending = get_ending(name)
        if ending in self.kind.endings:
            return True
        return self._any_ending and ending not in self.kind.others

    def direct(self, folder: Folder) -> int:
        return sum(map(self.shows, folder.files))

    def folders_in(self, folder: Folder) -> dict[str, Folder]:
        """The folders in it that hold pictures, here or below."""
        return {name: below for name, below in folder.folders.items() if self.count(below)}


def _by_names(root: Folder, pictures: _Files, splits: Mapping[str, str] | None) -> Layout:
    layout = Layout([], ())
    top, prefix = root, ""
    parts = _split_folders(top, pictures, splits)
    while not parts and (name := _only_folder(top, pictures, splits)):
        top, prefix = top.folders[name], f"{prefix}{name}/"
        parts = _split_folders(top, pictures, splits)
    if prefix:
        layout.decided.append(f"Classes are found deeper, in {prefix}")
        if split_of(prefix) and splits is None and "/" not in prefix[:-1]:
            layout.decided[-1] = (
                f"{prefix} is the only folder of a split: its rows are split anew, by data.split"
            )
    check_named(splits, parts, pictures.folders_in(top))
    if parts:
        _add_splits(layout, top, prefix, parts, pictures)
    else:
        _add_classes(layout, top, prefix, pictures, splits)
    return layout


def _split_folders(
    folder: Folder, pictures: _Files, setting: Mapping[str, str] | None
) -> dict[str, Split]:
    """The folders that are splits: named so, with folders of classes in at least one of them."""
    below = pictures.folders_in(folder)
    splits = (
        find_splits(below)
        if setting is None
        else {name: check_split(setting[name]) for name in below if name in setting}
    )
    if any(pictures.folders_in(below[name]) for name in splits):
        return splits
    if splits and setting is None and set(splits) == set(below) and not pictures.direct(folder):
        raise DataError(
            f"{', '.join(below)} hold {pictures.noun} and no folders of classes, so no class is known. "
            "Put each class into a folder of its own, name a table of the classes with "
            "--set data.source.table=FILE, or take these folders as the classes with "
            "--set data.source.splits={}."
        )
    return {}


def _only_folder(folder: Folder, pictures: _Files, setting: Mapping[str, str] | None) -> str | None:
    """The one folder with pictures, if it holds the classes (or splits) rather than being one."""
    below = pictures.folders_in(folder)
    if len(below) != 1 or pictures.direct(folder):
        return None
    name, inner = next(iter(below.items()))
    if pictures.direct(inner):
        return None
    classes = pictures.folders_in(inner)
    deeper = any(len(pictures.folders_in(each)) > 1 for each in classes.values())
    return name if len(classes) > 1 or deeper else None


def _add_splits(
    layout: Layout, top: Folder, prefix: str, parts: dict[str, Split], pictures: _Files
) -> None:
    others = [name for name in pictures.folders_in(top) if name not in parts]
    if others:
        layout.decided.append(
            f"Left out: {', '.join(others)} beside the folders of splits "
            f"({sum(pictures.count(top.folders[name]) for name in others)} {pictures.noun})"
        )
    names: dict[str, str] = {}
    for part, split in sorted(parts.items(), key=lambda item: item[1] != "train"):
        folder, place = top.folders[part], f"{prefix}{part}/"
        while name := _only_folder(folder, pictures, None):
            folder, place = folder.folders[name], f"{place}{name}/"
        if no_classes(pictures.folders_in(folder), names):
            layout.decided.append(
                f"Left out: {place} holds {pictures.count(folder)} {pictures.noun} without classes"
            )
            continue
        before = len(layout.pictures)
        for name, inner in pictures.folders_in(folder).items():
            label = names.setdefault(name.casefold(), name)
            if label != name:
                layout.decided.append(f"{place}{name}/ is the class {label}")
            _add(layout, inner, f"{place}{name}/", label, split, pictures.kind)
        layout.decided.append(
            f"{place} is the {split} split ({len(layout.pictures) - before} files)"
        )
        _note_loose(layout, folder, place, pictures)
    _note_loose(layout, top, prefix, pictures)


def _add_classes(
    layout: Layout,
    top: Folder,
    prefix: str,
    pictures: _Files,
    setting: Mapping[str, str] | None,
) -> None:
    classes = pictures.folders_in(top)
    inner = {name: set(pictures.folders_in(folder)) for name, folder in classes.items()}
    parts = _splits_below(classes, inner, pictures) if setting is None else {}
    same = not parts and _same_below(inner, classes, pictures)
    numbered = same and are_numbered(classes)
    if parts:
        layout.decided.append(f"Splits are the folders {_name_splits(parts)} in each class")
    else:
        layout.decided += _describe_levels(inner, prefix.count("/"), same=same, numbered=numbered)
    for name, folder in classes.items():
        if numbered:
            for part, below in pictures.folders_in(folder).items():
                _add(layout, below, f"{prefix}{name}/{part}/", part, None, pictures.kind)
            continue
        if not parts:
            _add(layout, folder, f"{prefix}{name}/", name, None, pictures.kind)
            continue
        for part in inner[name]:
            split = parts.get(part)
            place = f"{prefix}{name}/{part}/"
            _add(layout, folder.folders[part], place, name, split, pictures.kind)
    empty = [name for name in top.folders if name not in classes]
    if empty:
        layout.decided.append(f"Left out: {show_some(empty)}, without {pictures.noun}")
    _note_loose(layout, top, prefix, pictures)


def _describe_levels(
    inner: dict[str, set[str]], level: int, *, same: bool, numbered: bool
) -> list[str]:
    """Which of two levels of folders are the classes, and the setting for the other one.

    Args:
        inner: names of the folders in each folder of that level.
    """
    lower = f"If these are the classes: --set data.source.class_level={level + 1}"
    if numbered:
        return [
            f"Classes are the folders in {show_some(list(inner))}, whose names differ in a number only. If "
            f"these are the classes: --set data.source.class_level={level}"
        ]
    if same:
        shared = sorted(set.intersection(*inner.values()))
        return [
            f"The folders {', '.join(inner)} are the classes, and each of them holds folders of the "
            f"same names ({', '.join(shared[:5])}). {lower}"
        ]
    deeper = sorted(name for name, below in inner.items() if len(below) > 1)
    return [f"Folders within classes belong to them: those in {show_some(deeper)}. {lower}"] * bool(
        deeper
    )


def _splits_below(
    classes: dict[str, Folder], inner: dict[str, set[str]], pictures: _Files
) -> dict[str, Split]:
    """The splits where each class has folders of splits (`cat/train`, `cat/test`)."""
    parts = find_splits(set().union(*inner.values()))
    whole = all(names and names <= set(parts) for names in inner.values())
    loose = any(pictures.direct(folder) for folder in classes.values())
    return parts if whole and not loose else {}


def _same_below(inner: dict[str, set[str]], classes: dict[str, Folder], pictures: _Files) -> bool:
    if len(inner) < 2 or any(pictures.direct(folder) for folder in classes.values()):
        return False
    return len(set.intersection(*inner.values())) > 1


def _by_level(
    root: Folder, pictures: _Files, setting: Mapping[str, str] | None, class_level: int
) -> Layout:
    rows = []
    short = 0
    for path, size in root.walk():
        folders = path.split("/")[:-1]
        if len(folders) > class_level and get_ending(path) not in pictures.kind.others:
            rows.append((path, size, folders))
        else:
            short += 1
    if not rows:
        deepest = max((path.count("/") for path, _ in root.walk()), default=0)
        raise DataError(
            f"data.source.class_level {class_level} is deeper than the folders: a path has at most "
            f"{deepest} of them, from 0. Set a lower one."
        )
    layout = Layout([], ())
    level, parts = find_split_level([folders for *_, folders in rows], setting, class_level)
    for path, size, folders in rows:
        split = parts.get(folders[level]) if len(folders) > level else None
        layout.pictures.append(Found(path, size, folders[class_level], split))
    layout.decided.append(f"Classes are the folders at level {class_level}, as class_level says")
    if parts:
        layout.decided.append(f"Splits are the folders {_name_splits(parts)}")
    if short:
        layout.decided.append(
            f"Left out: {short} files that lie above that level or are no {pictures.noun}"
        )
    return layout


def _add(
    layout: Layout, folder: Folder, prefix: str, label: str, split: Split | None, kind: FileKind
) -> None:
    layout.pictures += [
        Found(path, size, label, split)
        for path, size in folder.walk(prefix)
        if get_ending(path) not in kind.others
    ]


def _note_loose(layout: Layout, folder: Folder, prefix: str, pictures: _Files) -> None:
    if loose := pictures.direct(folder):
        layout.decided.append(
            f"Left out: {loose} {pictures.noun} in {prefix or 'the folder itself'}, beside the folders of "
            "classes"
        )


def _finish(layout: Layout, root: Folder, kind: FileKind) -> Layout:
    layout.labels = natural_order(picture.label for picture in layout.pictures)
    used = {picture.path for picture in layout.pictures}
    others = Counter(
        get_ending(path)
        for path, _ in root.walk()
        if path not in used and get_ending(path) in kind.others
    )
    if others:
        listed = ", ".join(f"*{ending} ({count})" for ending, count in sorted(others.items()))
        layout.decided.append(f"Not {kind.noun}, and ignored: {listed}")
    return layout


def _name_splits(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({split})" for name, split in parts.items())


def get_ending(path: str) -> str:
    """A file's ending in small letters, with its dot; empty without one."""
    name = path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].lower() if "." in name else ""
