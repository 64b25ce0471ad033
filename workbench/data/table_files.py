"""The files of a table, and the split that each belongs to by its name."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from workbench.data.split_names import Split, find_splits
from workbench.errors import DataError

_ENDINGS = {
    "csv": (".csv", ".tsv", ".tab", ".txt", ".data", ".psv"),
    "json": (".json", ".jsonl", ".ndjson"),
    "parquet": (".parquet", ".pq"),
    "orc": (".orc",),
}
_PACKED = (".gz", ".gzip", ".bz2", ".zip", ".xz", ".zst", ".snappy")


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """A table's files."""

    root: Path
    files: dict[Path, Split | None]
    """The files in order, and the split of each by its name; None: its name says nothing."""
    decided: tuple[str, ...] = ()


def ending_of(name: str) -> str:
    """The ending of a file's name in small letters, without that of a packer: `T.CSV.gz` has .csv."""
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in _PACKED else path.suffix


def list_tables(path: Path, form: str, *, by_name: bool = True) -> TableFiles:
    """The files below a path that hold rows.

    Where file or folder names say train and another split, these are the splits, and files that say
    none are left out. Partition folders (`split=train`) are no names: they are columns.

    Args:
        form: csv, json, parquet or orc. Of csv, the endings .csv and .tsv come before .txt and others.
        by_name: whether names say the split.

    Raises:
        DataError: there is no file.
    """
    if path.is_file():
        return TableFiles(root=path, files={path: None})
    below = [p for p in sorted(path.rglob("*")) if p.is_file() and not _is_hidden(p, path)]
    usual = [p for p in below if ending_of(p.name) in _ENDINGS[form][:2]]
    others = [p for p in below if ending_of(p.name) in _ENDINGS[form]]
    files = usual or others or [p for p in below if not ending_of(p.name)]
    if not files:
        raise DataError(f"{path} holds no file of format {form}. Set data.source.format.")
    decided = []
    if left := Counter(ending_of(p.name) or p.name for p in below if p not in set(files)):
        names = ", ".join(f"{name} ({count})" for name, count in sorted(left.items()))
        decided.append(f"Files that are not read: {names}.")
    splits = _split_by_name(files, path) if by_name else {}
    folders = {p.parent.relative_to(path).as_posix() for p in files if p.parent != path}
    plain = sorted(name for name in folders if "=" not in name)
    if len(plain) > 1 and not splits:
        more = f" and {len(plain) - 5} more" if len(plain) > 5 else ""
        decided.append(
            f"{len(files)} files in the folders {', '.join(plain[:5])}{more} are read as one table: the names "
            "of these folders are no column. Folders named COLUMN=VALUE are."
        )
    if not splits:
        return TableFiles(root=path, files=dict.fromkeys(files), decided=tuple(decided))
    shown = _show_splits(splits, path)
    decided.append(
        f"Splits by name: {shown}. (--set data.source.named_splits=false draws them anew)"
    )
    if rest := [p for p in files if p not in splits]:
        names = ", ".join(str(p.relative_to(path)) for p in rest[:5])
        decided.append(f"Files that are not read, as their names say no split: {names}.")
    return TableFiles(root=path, files=dict(splits), decided=tuple(decided))


def _split_by_name(files: list[Path], root: Path) -> dict[Path, Split]:
    """By the first level of folders, or of files, whose names say train and another split."""
    parts = {file: file.relative_to(root).parts for file in files}
    for level in range(max(map(len, parts.values()))):
        names = {p[level] for p in parts.values() if len(p) > level and "=" not in p[level]}
        if splits := find_splits(names):
            return {
                f: splits[p[level]]
                for f, p in parts.items()
                if len(p) > level and p[level] in splits
            }
    return {}


def _show_splits(splits: dict[Path, Split], root: Path) -> str:
    parts = []
    for split in ("train", "validation", "test"):
        names = [str(p.relative_to(root)) for p, s in splits.items() if s == split]
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            parts.append(f"{split} is {names[0]}{more}")
    return ", ".join(parts)


def _is_hidden(path: Path, root: Path) -> bool:
    # Spark and Hadoop leave out what begins with . and _ as well, but not partition folders.
    return any(
        part[0] == "." or (part[0] == "_" and "=" not in part) or part == "__MACOSX"
        for part in path.relative_to(root).parts
    )
