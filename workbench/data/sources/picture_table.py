"""Classes of pictures or sounds from a table of file names beside them, as Kaggle and fastai have it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nets.config import unknown
from workbench.data.class_order import natural_order
from workbench.data.listing import Folder
from workbench.data.sources.picture_layout import (
    PICTURES,
    FileKind,
    Found,
    Layout,
    get_ending,
    show_some,
)
from workbench.data.split_names import Split, find_splits, split_of
from workbench.errors import DataError

TABLES = (".csv", ".tsv", ".txt", ".lst")
_DELIMITERS = (",", ";", "\t", "|", " ")
_TRIED_ROWS = 200
"""Rows that a table's delimiter and its column of files are found from."""
_LABELS = (
    *("label", "labels", "class", "classes", "class_name", "classname", "class_id", "category"),
    *("target", "y", "species", "breed", "diagnosis", "tag", "tags", "ground_truth"),
)
_SPLITS = ("split", "set", "subset", "partition", "usage", "dataset")
_FLAGS: dict[str, Split] = {
    **dict.fromkeys(("is_valid", "is_val", "is_validation", "valid"), "validation"),
    "is_test": "test",
}
"""fastai's columns of true and false."""
_TRUE, _FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no", "")


class TableSettings(Protocol):
    @property
    def table(self) -> str | None: ...
    @property
    def file(self) -> str | None: ...
    @property
    def label(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table whose column `file` names pictures."""

    name: str
    header: list[str]
    rows: list[list[str]]
    file: int


class _Files:
    """Pictures by path, by name and by name without its ending."""

    def __init__(self, root: Folder, kind: FileKind) -> None:
        self.noun = kind.noun
        self.sizes = {path: size for path, size in root.walk() if get_ending(path) in kind.endings}
        self._paths: dict[str, list[str]] = {}
        for path in self.sizes:
            for name in (path, path.rpartition("/")[2]):
                for key in {name, name.removesuffix(name[len(name) - len(get_ending(name)) :])}:
                    self._paths.setdefault(key, []).append(path)

    def find(self, text: str) -> list[str]:
        """The pictures that a table's text names."""
        text = text.strip().replace("\\", "/").removeprefix("./").lstrip("/")
        if not text:
            return []
        paths = self._paths.get(text)
        while paths is None and "/" in text:  # the table may be written from a folder above
            text = text.partition("/")[2]
            paths = self._paths.get(text)
        return list(dict.fromkeys(paths or []))


def find_table_layout(
    root: Folder, path: Path, settings: TableSettings, kind: FileKind = PICTURES
) -> Layout | None:
    """Classes from a table in the folder; None where no table names its pictures (or sounds).

    Raises:
        DataError: the table is missing, names no picture, has no such column, or several tables name
            pictures; the class's column is not known.
    """
    files = _Files(root, kind)
    named = settings.table is not None
    if settings.table is not None:
        place = path / Path(settings.table).expanduser()
        if not place.is_file():
            raise DataError(
                f"data.source.table must be a file, from data.source.path or in full, got "
                f"{settings.table!r}, and {place} is none."
            )
        places = [place]
    else:
        places = [path / name for name in root.files if get_ending(name) in TABLES]
    if not files.sizes:
        return None
    ignored = [place.name for place in places if "submission" in place.name.lower() and not named]
    tables = [
        table
        for place in places
        if place.name not in ignored and (table := _read(place, files, settings)) is not None
    ]
    if not tables:
        if named:
            raise DataError(
                f"{places[0]} names none of the {kind.noun} below {path}. Its column of file names must hold names "
                "of these files, with or without ending."
            )
        return None
    return _combine(tables, files, settings, ignored)


def _read(place: Path, files: _Files, settings: TableSettings) -> _Table | None:
    """The table with the delimiter and column that name the most files; None: no half of its rows does."""
    text = _decode(place.read_bytes())
    best: tuple[int, str, int] = (0, ",", 0)
    lines = text.splitlines()[: _TRIED_ROWS + 1]
    for delimiter in _DELIMITERS:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        hits: Counter[int] = Counter()
        for row in rows:
            hits.update(i for i, cell in enumerate(row) if files.find(cell))
        for column, count in hits.most_common(1):
            if len(rows[0]) > 1 and count * 2 >= len(rows) - 1 and count > best[0]:
                best = (count, delimiter, column)
    count, delimiter, column = best
    if not count:
        return None
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if files.find(rows[0][column]):
        header = [str(i) for i in range(len(rows[0]))]
    else:
        header, rows = [name.strip() for name in rows[0]], rows[1:]
    if settings.file is not None:
        column = _index(place.name, header, "file", settings.file)
    return _Table(name=place.name, header=header, rows=rows, file=column)


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _index(table: str, header: list[str], setting: str, name: str) -> int:
    if name not in header:
        raise DataError(
            f"{table}: {unknown('column', name, header)} Set data.source.{setting} to a column that "
            "is there."
        )
    return header.index(name)


def _combine(
    tables: list[_Table], files: _Files, settings: TableSettings, ignored: list[str]
) -> Layout:
    layout = Layout([], (), from_table=True)
    labelled = [table for table in tables if len(table.header) > 1]
    splits: Mapping[str, Split] = find_splits([table.name for table in tables])
    if len(labelled) > 1:
        labelled = [table for table in labelled if table.name in splits]
    if not labelled:
        raise DataError(
            f"Several tables name the {files.noun}: {', '.join(table.name for table in tables)}. Choose "
            "one with --set data.source.table=FILE."
        )
    split_tables = len({splits.get(table.name) for table in labelled}) > 1
    used: set[str] = set()
    for table in labelled:
        classes = _read_classes(table, settings, layout, required=table is labelled[0])
        if classes is None:
            layout.decided.append(f"Left out: {table.name} has no column of classes")
            continue
        of_table = splits.get(table.name) if split_tables else None
        for row, label, split in zip(table.rows, classes, _read_splits(table, layout), strict=True):
            found = _choose(row, table, files, label, split or of_table)
            layout.pictures.append(found)
            used.add(found.path)
        if of_table:
            layout.decided.append(f"{table.name} is the {of_table} split")
    if unused := len(files.sizes) - len(used & set(files.sizes)):
        layout.decided.append(f"Left out: {unused} {files.noun} that no row of the table names")
    if ignored:
        layout.decided.append(f"Left out: {', '.join(ignored)}, by its name no table of classes")
    layout.labels = natural_order(found.label for found in layout.pictures if found.label)
    return layout


def _choose(row: list[str], table: _Table, files: _Files, label: str, split: Split | None) -> Found:
    text = row[table.file].strip() if len(row) > table.file else ""
    paths = files.find(text)
    if len(paths) > 1:  # train.csv names pictures of train/
        own = split_of(table.name)
        paths = [path for path in paths if own and own in map(split_of, path.split("/")[:-1])]
    problem = None
    if len(paths) != 1:
        problem = f"{'no file' if not paths else 'several files'} named {text!r}"
    elif not label:
        problem = "the table has no class for it"
    path = paths[0] if len(paths) == 1 else text
    return Found(path, files.sizes.get(path, 0), label, split, problem)


def _read_classes(
    table: _Table, settings: TableSettings, layout: Layout, *, required: bool
) -> list[str] | None:
    """The class of each row; None where no column can be it."""
    header = table.header
    others = [i for i in range(len(header)) if i != table.file]
    where = f"{table.name}: files are the column {header[table.file]}, classes "
    if settings.label is not None:
        column = _index(table.name, header, "label", settings.label)
    else:
        one_hot = _read_one_hot(table, others)
        if one_hot is not None:
            layout.decided.append(
                f"{where}are the columns of 0 and 1 ({show_some(_names(table, others))})"
            )
            return one_hot
        usual = [i for i in others if header[i].lower() in _LABELS]
        taken = {i for i in others if header[i].lower() in (*_SPLITS, *_FLAGS)}
        rest = [i for i in others if i not in taken]
        choice = usual if len(usual) == 1 else rest
        if len(choice) != 1:
            if not required:
                return None
            raise DataError(
                f"{table.name} has several columns that may be the class: "
                f"{', '.join(_names(table, choice or others))}. Name it with --set "
                "data.source.label=COLUMN."
            )
        column = choice[0]
    layout.decided.append(f"{where}the column {header[column]}")
    return [row[column].strip() if len(row) > column else "" for row in table.rows]


def _names(table: _Table, columns: Sequence[int]) -> list[str]:
    return [table.header[i] for i in columns]


def _read_one_hot(table: _Table, columns: Sequence[int]) -> list[str] | None:
    """Classes from columns of 0 and 1 with a single 1 in each row; None: the columns are others."""
    if len(columns) < 2:
        return None
    classes = []
    for row in table.rows:
        if len(row) < len(table.header) or any(
            row[i] not in ("0", "1", "0.0", "1.0") for i in columns
        ):
            return None
        ones = [i for i in columns if row[i].startswith("1")]
        if len(ones) != 1:
            return None
        classes.append(table.header[ones[0]])
    return classes or None


def _read_splits(table: _Table, layout: Layout) -> list[Split | None]:
    """The split of each row, by a column that says it; all None without one."""
    for i, name in enumerate(table.header):
        values = [row[i].strip() if len(row) > i else "" for row in table.rows]
        flag = _FLAGS.get(name.lower())
        if flag is not None and {value.lower() for value in values} <= {*_TRUE, *_FALSE}:
            layout.decided.append(f"{table.name}: the column {name} marks the {flag} split")
            return [flag if value.lower() in _TRUE else None for value in values]
        if name.lower() in _SPLITS and len(find_splits(set(values))) == len(set(values)):
            layout.decided.append(f"{table.name}: the column {name} is the split")
            return [split_of(value) for value in values]
    return [None] * len(table.rows)
