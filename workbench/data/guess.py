"""The kind of source at a path, guessed from file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.data.listing import list_folder
from workbench.data.pictures import ENDINGS
from workbench.data.sources.guess_columns import guess_columns
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_columns import first_file, guess_picture_columns
from workbench.data.sources.picture_tars import has_pictures
from workbench.data.split_names import split_of
from workbench.data.table_files import ending_of, list_tables
from workbench.errors import DataError

_TABLES = {
    **{".parquet": "parquet", ".pq": "parquet", ".orc": "orc"},
    **{".json": "json", ".jsonl": "json", ".ndjson": "json"},
    **{".csv": "csv", ".tsv": "csv", ".tab": "csv", ".psv": "csv"},
}


def guess_source(text: str) -> dict[str, Any]:
    """Settings of a source that reads the path `text`: its kind, its path, and format or files.

    Raises:
        DataError: nothing is there, or no kind of source has such file names.
    """
    path = find_path(text, "data")
    settings = _guess_file(path) if path.is_file() else _guess_folder(path)
    if settings is None:
        raise DataError(
            f"The file names in {path} are those of no known kind of data. Name the kind, as JSON: "
            '\'{"kind": "image_folder", "path": "..."}\'.'
        )
    return {**settings, "path": str(path)}


def _guess_file(path: Path) -> dict[str, Any] | None:
    if path.suffix == ".tar" and has_pictures(path):
        return {"kind": "picture_tars"}
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return {"kind": "cifar_archive"}
    if path.suffix == ".ts":
        return {"kind": "ts_file"}
    form = _TABLES.get(ending_of(path.name))
    return None if form is None else _guess_table(path, form)


def _guess_folder(path: Path) -> dict[str, Any] | None:
    names = [child.name for child in sorted(path.iterdir())]
    if any(name.endswith("_TRAIN.ts") for name in names):
        return {"kind": "ts_file"}
    if any("images-idx3" in name or "images.idx3" in name for name in names):
        return {"kind": "idx"}
    if "data_batch_1" in names or "cifar-10-batches-py" in names:
        return {"kind": "cifar_archive"}
    endings = {ending_of(name) for name in names}
    tars = sorted(path.glob("*.tar"))
    if tars and has_pictures(tars[0]):
        return {"kind": "picture_tars"}
    if _holds_pictures(path):
        return {"kind": "image_folder"}
    if "_delta_log" in names:
        return _guess_table(path, "delta")
    for ending, form in _TABLES.items():
        if ending in endings:
            return _guess_table(path, form)
    below = [p for p in path.rglob("*") if p.is_file()][:1000]
    endings_below = {ending_of(p.name) for p in below if not p.name.startswith((".", "_"))}
    for ending, form in _TABLES.items():
        if ending in endings_below:
            return _guess_table(path, form)
    texts = [p for p in below if p.suffix.lower() == ".txt" and p.parent != path]
    if texts:
        # A folder whose name says a split holds a file per class; other folders are classes.
        lines = all(split_of(p.parent.name) for p in texts)
        return {"kind": "text", "format": "lines" if lines else "files", "files": "*.txt"}
    if ".txt" in endings:
        return {"kind": "text", "format": "lines", "files": "*.txt"}
    return None


def _holds_pictures(path: Path) -> bool:
    """Whether there are pictures, and more of them than tables (`labels.csv`) beside them."""
    files = list(list_folder(path)[0].walk())
    pictures = sum(Path(name).suffix.lower() in ENDINGS for name, _ in files)
    return pictures > sum(ending_of(name) in _TABLES for name, _ in files)


def _guess_table(path: Path, form: str) -> dict[str, Any]:
    """A table; of pictures or text where its first file has such a column."""
    first = first_file(path, f"*.{form}*")
    if first is not None and (columns := guess_picture_columns(first, form)) is not None:
        return {"kind": "image_table", "format": form, **columns}
    if form not in ("csv", "json", "parquet", "orc"):
        return {"kind": "table", "format": form}
    files = list(list_tables(path, form).files)
    return guess_columns(files[0], form)
