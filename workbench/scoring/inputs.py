"""What lies at a path to score: its format by names and content, and the files that give no row."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from workbench.data import pictures, sounds
from workbench.data.listing import list_folder
from workbench.errors import DataError

ENDINGS = (*pictures.ENDINGS, *sounds.ENDINGS)
"""Of files that are a row each."""
_TABLES = {
    **{".parquet": "parquet", ".pq": "parquet", ".orc": "orc", ".csv": "csv"},
    **{".json": "json", ".jsonl": "json", ".ndjson": "json", ".txt": "text"},
}
_BEGINNINGS = {b"PAR1": "parquet", b"ORC": "orc"}
_WAY_OUT = "Name it with --format: parquet, orc, json, csv, text or binaryFile (a row per file)."


def local_path(place: str) -> Path | None:
    """The path on this machine; None for a URL, or a pattern with * of Spark."""
    if "://" in place:
        return None
    path = Path(place.removeprefix("file:")).expanduser()
    return None if not path.exists() and any(sign in place for sign in "*?[{") else path


def find_format(place: str) -> str:
    """The format of what lies at `place`, as Spark names it. In a folder, the commonest of the known ones.

    Raises:
        DataError: nothing is there, or files of no known format.
    """
    path = local_path(place)
    if path is None:
        return _by_ending(Path(place)) or "parquet"
    if not path.exists():
        raise DataError(f"{place} cannot be scored: nothing is there. Name a file or a folder.")
    if path.is_file():
        form = _by_ending(path) or _by_content(path)
        if form is None:
            raise DataError(f"{place} is a file of no known format ({path.name}). {_WAY_OUT}")
        return form
    if (path / "_delta_log").is_dir():
        return "delta"
    names = [Path(name) for name, _ in list_folder(path)[0].walk() if not _is_marker(name)]
    counts = Counter(form for name in names if (form := _by_ending(name)) is not None)
    if not counts and names:
        counts = Counter(f for name in names[:20] if (f := _by_content(path / name)) is not None)
    if not counts:
        endings = ", ".join(sorted({name.suffix or name.name for name in names})[:5]) or "no file"
        raise DataError(f"{place} holds files of no known format ({endings}). {_WAY_OUT}")
    return counts.most_common(1)[0][0]


def _by_ending(path: Path) -> str | None:
    ending = path.suffix.lower()
    if ending in (".gz", ".bz2"):
        ending = Path(path.stem).suffix.lower()
    return "binaryFile" if ending in ENDINGS else _TABLES.get(ending)


def _by_content(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:
        return None
    for beginning, form in _BEGINNINGS.items():
        if start.startswith(beginning):
            return form
    if sounds.is_sound(start):
        return "binaryFile"
    if start.lstrip()[:1] == b"{":
        return "json"
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path):
            return "binaryFile"
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None


def _is_marker(name: str) -> bool:
    """Whether a writer of tables left it, as `_SUCCESS`; a picture may begin with `_`."""
    return name.rpartition("/")[2].startswith("_") and Path(name).suffix.lower() not in ENDINGS


def list_files(path: Path) -> tuple[list[Path], dict[str, int]]:
    """The files at a path that are a row each, and how many are none, by reason."""
    if path.is_file():
        return [path], {}
    folder, ignored = list_folder(path)
    unread = {f"{kind}, which is hidden or left by a system": n for kind, n in ignored.items()}
    files = []
    for name, _ in folder.walk():
        if os.access(path / name, os.R_OK):
            files.append(path / name)
        else:
            unread["may not be read"] = unread.get("may not be read", 0) + 1
    return files, unread


def count_skipped(path: Path) -> dict[str, int]:
    """The files of a folder that Spark's own reader of whole files passes over, by reason."""
    counts: Counter[str] = Counter()
    for file in path.rglob("*") if path.is_dir() else ():
        if not file.is_file():
            continue
        if any(part[0] in "._" for part in file.relative_to(path).parts):
            counts["begins with . or _, which a stream takes as hidden"] += 1
        elif file.stat().st_size == 0:
            counts["is empty"] += 1
    return dict(counts)
