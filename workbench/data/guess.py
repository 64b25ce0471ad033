"""The kind of source at a path, guessed from file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.data.listing import list_folder
from workbench.data.pictures import ENDINGS
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_columns import first_file, guess_picture_columns
from workbench.data.sources.picture_tars import has_pictures
from workbench.errors import DataError

_TABLES = {".parquet": "parquet", ".orc": "orc", ".json": "json", ".jsonl": "json", ".csv": "csv"}


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
    form = _TABLES.get(path.suffix)
    return None if form is None else _guess_table(path, form)


def _guess_folder(path: Path) -> dict[str, Any] | None:
    names = [child.name for child in sorted(path.iterdir())]
    if any(name.endswith("_TRAIN.ts") for name in names):
        return {"kind": "ts_file"}
    if any("images-idx3" in name or "images.idx3" in name for name in names):
        return {"kind": "idx"}
    if "data_batch_1" in names or "cifar-10-batches-py" in names:
        return {"kind": "cifar_archive"}
    endings = {Path(name).suffix for name in names}
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
    if any(p.suffix == ".txt" and p.parent != path for p in below):
        return {"kind": "text", "format": "files", "files": "*.txt"}
    if ".txt" in endings:
        return {"kind": "text", "format": "lines", "files": "*.txt"}
    return None


def _holds_pictures(path: Path) -> bool:
    """Whether there are pictures, and more of them than tables (`labels.csv`) beside them."""
    files = list(list_folder(path)[0].walk())
    pictures = sum(Path(name).suffix.lower() in ENDINGS for name, _ in files)
    return pictures > sum(Path(name).suffix.lower() in _TABLES for name, _ in files)


def _guess_table(path: Path, form: str) -> dict[str, Any]:
    """A table; of pictures or text where a Parquet file has such a column."""
    names = _read_columns(path) if form == "parquet" else {}
    first = first_file(path, f"*.{form}*")
    if first is not None and (columns := guess_picture_columns(first, form)) is not None:
        return {"kind": "image_table", "format": form, **columns}
    if names.get("text", "").endswith("string"):
        return {"kind": "text", "format": form}
    return {"kind": "table", "format": form}


def _read_columns(path: Path) -> dict[str, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = path if path.is_file() else next(iter(sorted(path.glob("*.parquet"))))
    try:
        return {field.name: str(field.type) for field in pq.read_schema(first)}
    except (pa.ArrowException, OSError):
        return {}
