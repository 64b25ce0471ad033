"""The files below a folder, without what operating systems and tools leave beside them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
"""Written by Windows and macOS into folders of pictures."""
_FOLDERS = ("__macosx", "@eadir", "$recycle.bin", "system volume information", "__pycache__")


@dataclass
class Folder:
    """A folder, the files in it, and the folders below."""

    name: str
    files: dict[str, int] = field(default_factory=dict)
    """Bytes of each file, by name."""
    folders: dict[str, Folder] = field(default_factory=dict)

    def walk(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Path (from this folder, with /) and bytes of every file here and below, in order."""
        for name, size in self.files.items():
            yield prefix + name, size
        for name, below in self.folders.items():
            yield from below.walk(f"{prefix}{name}/")


def list_folder(root: Path) -> tuple[Folder, Counter[str]]:
    """The folder's files, and how many names of each kind were ignored.

    Links to folders are followed, but not into a folder that contains them. What is hidden (`.DS_Store`,
    `._x.png`, `.ipynb_checkpoints`), and what systems leave (`Thumbs.db`, `__MACOSX`), is ignored.
    """
    ignored: Counter[str] = Counter()
    return _list(str(root), root.name, ignored, ()), ignored


def _list(path: str, name: str, ignored: Counter[str], above: tuple[str, ...]) -> Folder:
    folder = Folder(name)
    inside = (*above, os.path.realpath(path))
    with os.scandir(path) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        kind = kind_of_leftover(entry.name)
        try:
            is_folder = entry.is_dir()
            if kind is not None:
                ignored[kind + "/" * is_folder] += 1
            elif not is_folder:
                folder.files[entry.name] = entry.stat().st_size
            elif entry.is_symlink() and os.path.realpath(entry.path) in inside:
                ignored["links to a folder that contains them"] += 1
            else:
                folder.folders[entry.name] = _list(entry.path, entry.name, ignored, inside)
        except FileNotFoundError:
            ignored["links to nothing"] += 1
    return folder


def kind_of_leftover(name: str) -> str | None:
    """What a name is counted as where it is ignored; None: it is not."""
    if name.startswith("._"):
        return "._*"
    if name.lower() in _FILES or name.lower() in _FOLDERS:
        return name.strip()
    if not name.startswith("."):
        return None
    return name if name in (".DS_Store", ".ipynb_checkpoints", ".git") else ".*"


def describe_ignored(ignored: Counter[str]) -> str:
    """`.DS_Store (2), Thumbs.db (1)`."""
    return ", ".join(f"{kind} ({count})" for kind, count in sorted(ignored.items()))
