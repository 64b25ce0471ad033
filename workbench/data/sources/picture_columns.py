"""Which column of a table holds pictures and which their class, by its schema and its first row."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.columns import quote
from workbench.data.pictures import SEEN, choose_shape
from workbench.data.sources.paths import find_path
from workbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame

IMAGES = ("image", "img", "picture", "photo", "jpg", "png", "jpeg", "content", "pixels")
LABELS = ("label", "labels", "class", "target", "category", "fine_label", "digit", "y", "breed")
_BASE64 = ("data:image/", "iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "SUkqA", "TU0AK")
"""Beginnings of pictures in base64: PNG, JPEG, GIF, WebP, TIFF."""
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
_FIRST_BYTES = 2**22


def guess_picture_columns(file: Path, form: str) -> dict[str, Any] | None:
    """Settings `image`, `label` and `shape` of a table whose first row holds a picture; None: it holds none.

    Args:
        form: parquet, csv or json; tables of other formats are not looked into.
    """
    if form == "parquet":
        return _guess_parquet(file)
    first = _read_first_row(file) if form in ("csv", "json") else {}
    for name, value in first.items():
        if isinstance(value, str) and value.lstrip().startswith(_BASE64) and len(value) > 40:
            return _name(name, list(first), [])
    return None


def read_class_names(file: Path) -> dict[str, tuple[str, ...]]:
    """The class names that HuggingFace's datasets keeps in a Parquet file, by column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _class_names(pq.read_schema(file))
    except (pa.ArrowException, OSError):
        return {}


def name_classes(
    frame: DataFrame, label: str, form: str, path: str, decided: list[str]
) -> tuple[Column, tuple[str, ...] | None]:
    """The column of classes, and their names by index where the table's files keep them.

    Args:
        decided: gets a sentence where names are taken from the files.

    Raises:
        DataError: rows have several classes, as the files say.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, IntegralType

    column, kind = F.col(quote(label)), frame.schema[label].dataType
    names = _find_class_names(form, path).get(label)
    if names is not None and isinstance(kind, ArrayType):
        raise DataError(
            f"The label {label!r} has a list of classes in each row, as its files say ({', '.join(names[:5])}), "
            "and a sample has one class here. Write a column with one of them."
        )
    if names is None or not isinstance(kind, IntegralType):
        return column, None
    decided.append(f"Names of classes are those that the files keep for {label}.")
    return _name_values(column, names), names


def name_categories(
    frame: DataFrame, columns: Collection[str], form: str, path: str
) -> tuple[DataFrame, tuple[str, ...]]:
    """Columns of whole numbers whose names the table's files keep, as text, and sentences about them."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import IntegralType

    named = {
        name: names
        for name, names in _find_class_names(form, path).items()
        if name in columns and isinstance(frame.schema[name].dataType, IntegralType)
    }
    values = {name: _name_values(F.col(quote(name)), names) for name, names in named.items()}
    said = tuple(f"Names of {name} are those that the files keep." for name in named)
    return (frame.withColumns(values) if values else frame), said


def _find_class_names(form: str, path: str) -> dict[str, tuple[str, ...]]:
    if form != "parquet" or "://" in path:
        return {}
    root = find_path(path, "a table in format parquet")
    return read_class_names(first_file(root, "*.parquet") or root)


def _name_values(column: Column, names: tuple[str, ...]) -> Column:
    from pyspark.sql import functions as F

    index = F.when(column >= 0, column)  # -1 stands for no class
    named = F.array(*map(F.lit, names))
    return F.coalesce(F.get(named, index.cast("int")), index.cast("string"))


def first_file(root: Path, pattern: str) -> Path | None:
    """The first file below that is not hidden; the path itself where it is a file."""
    if root.is_file():
        return root
    files = (p for p in sorted(root.rglob(pattern)) if p.is_file() and p.name[0] not in "._")
    return next(files, None)


def _guess_parquet(file: Path) -> dict[str, Any] | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
        schema = opened.schema_arrow
        names = [field.name for field in schema if _may_be_pictures(field.type)]
        first = next(opened.iter_batches(SEEN, columns=names), None) if names else None
    except (pa.ArrowException, OSError):
        return None
    rows = first.to_pylist() if first is not None else []
    row = rows[0] if rows else {}
    chosen = [name for name in names if _is_picture(row.get(name))]
    chosen = chosen or [name for name in names if name.lower() in IMAGES]
    if not chosen:
        return None
    usual = [name for name in chosen if name.lower() in IMAGES]
    image = (usual or chosen)[0]
    cells = (each[image] for each in rows)
    contents = (cell.get("bytes") if isinstance(cell, dict) else cell for cell in cells)
    shape = choose_shape(content for content in contents if isinstance(content, bytes))
    named = _name(image, schema.names, list(_class_names(schema)))
    return named | ({} if shape is None else {"shape": shape})


def _may_be_pictures(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return bool({"bytes", "data"} & {kind.field(i).name for i in range(kind.num_fields)})
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_picture(value: Any) -> bool:
    if isinstance(value, dict):
        return "nChannels" in value or _is_picture(value.get("bytes"))
    # RIFF is also how WAV files begin.
    return isinstance(value, bytes) and value.startswith(_BEGINNINGS) and value[8:12] != b"WAVE"


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    try:
        facts = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = facts["info"]["features"]
        inner = {name: _inner_feature(feature) for name, feature in features.items()}
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in inner.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _inner_feature(feature: Any) -> Any:
    """What the items of a list are, else the feature itself."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    return feature.get("feature", feature) if isinstance(feature, dict) else feature


def _name(image: str, columns: list[str], classes: list[str]) -> dict[str, str]:
    others = [name for name in columns if name != image]
    usual = [name for label in LABELS for name in others if name.lower() == label]
    for names in (classes, usual, others):
        if len(names) == 1 or (names and names is usual):
            return {"image": image, "label": names[0]}
    return {"image": image}


def _read_first_row(file: Path) -> dict[str, Any]:
    """The first row of a CSV file or of JSON lines, as far as it begins the file."""
    with file.open("rb") as opened:
        text = opened.read(_FIRST_BYTES).decode("utf-8-sig", "replace")
    if text.lstrip().startswith(("{", "[")):
        try:
            start = text.lstrip().lstrip("[").lstrip()
            value = json.JSONDecoder().raw_decode(start)[0]
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}
    line = text.partition("\n")[0]
    delimiter = max(",;\t|", key=line.count)
    before = csv.field_size_limit(_FIRST_BYTES)
    try:
        rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        header, first = next(rows), next(rows)
    except (StopIteration, csv.Error):
        return {}
    finally:
        csv.field_size_limit(before)
    return dict(zip(header, first, strict=False))
