"""Classes of pictures or sounds from a table of file names beside them, as Kaggle and fastai have it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from nets.config import unknown
from workbench.data.class_order import natural_order
from workbench.data.listing import Folder
from workbench.data.sources.annotation_files import (
    ENDINGS,
    Annotations,
    read_annotations,
    read_voc,
)
from workbench.data.sources.folder_names import show_some
from workbench.data.sources.picture_layout import (
    PICTURES,
    FileKind,
    Found,
    Layout,
    get_ending,
)
from workbench.data.split_names import Split, find_splits, split_of
from workbench.errors import DataError

TABLES = (".csv", ".tsv", ".txt", ".lst")
_MOST_TRIED = 20
"""Files of annotations in a folder that are tried."""
_DELIMITERS = (",", ";", "\t", "|", " ")
_TRIED_ROWS = 200
"""Rows that a table's delimiter and its column of files are found from."""
_LABELS = (
    *("label", "labels", "class", "classes", "class_name", "classname", "class_id", "category"),
    *("target", "y", "species", "breed", "diagnosis", "tag", "tags", "ground_truth", "choice"),
)
_SPLITS = ("split", "set", "subset", "partition", "usage", "dataset")
_FLAGS: dict[str, Split] = {
    **dict.fromkeys(("is_valid", "is_val", "is_validation", "valid"), "validation"),
    "is_test": "test",
}
"""fastai's columns of true and false."""
_TRUE, _FALSE = ("true", "1", "1.0", "yes"), ("false", "0", "0.0", "no", "")


NO_CLASS = "the table has no class for it"


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
    """From the source's folder."""
    header: list[str]
    rows: list[list[str]]
    file: int
    problems: dict[int, str] = field(default_factory=dict)
    """Why a row has no class, by its number."""
    folder: str = ""
    """Where it lies in the source's folder, with / at its end: names of files are from there first."""


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

    def find(self, text: str, folder: str = "") -> list[str]:
        """The pictures that a table's text names, from the table's folder on."""
        text = text.strip().replace("\\", "/").removeprefix("./").lstrip("/")
        if not text:
            return []
        if folder and (beside := self._paths.get(folder + text)):
            return list(dict.fromkeys(beside))
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
        places = _list_places(root, path)
    if not files.sizes:
        return None
    ignored = [place.name for place in places if "submission" in place.name.lower() and not named]
    tables = [
        table
        for place in places
        if place.name not in ignored and (table := _read(place, path, files, settings)) is not None
    ]
    if not tables and not named and (voc := _read_voc(root, path, files)) is not None:
        tables = [voc]
    if not tables:
        if named:
            raise DataError(
                f"{places[0]} names none of the {kind.noun} below {path}. Its column of file names must hold names "
                "of these files, with or without ending."
            )
        return None
    return _combine(tables, files, settings, ignored)


def _list_places(root: Folder, path: Path) -> list[Path]:
    """Tables and annotations in the folder; else those one level below (`train/metadata.csv`,
    `annotations/instances.json`)."""

    def here(folder: Folder, place: Path) -> list[Path]:
        names = [name for name in folder.files if get_ending(name) in (*TABLES, *ENDINGS)]
        return [place / name for name in names][:_MOST_TRIED]

    return here(root, path) or [
        place for name, below in root.folders.items() for place in here(below, path / name)
    ]


def _read_voc(root: Folder, path: Path, files: _Files) -> _Table | None:
    places = [path / name for name, _ in root.walk() if get_ending(name) == ".xml"]
    found = read_voc(places) if places else None
    return None if found is None else _from_annotations(found, "*.xml", files, "")


def _read(place: Path, root: Path, files: _Files, settings: TableSettings) -> _Table | None:
    """The table with the delimiter and column that name the most files; None: no half of its rows does."""
    folder = f"{place.parent.relative_to(root).as_posix()}/" if place.is_relative_to(root) else ""
    folder = "" if folder == "./" else folder
    if get_ending(place.name) in ENDINGS:
        found = read_annotations(place)
        if found is None:
            return None
        table = _from_annotations(found, folder + place.name, files, folder)
        return table if table is None else _with_file(table, settings)
    text = _decode(place.read_bytes())
    best: tuple[int, str, int] = (0, ",", 0)
    lines = text.splitlines()[: _TRIED_ROWS + 1]
    for delimiter in _DELIMITERS:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
        if rows and len(rows[0]) > 1:
            count, column = _find_column(rows, files, folder)
            best = max(best, (count, delimiter, column), key=lambda one: one[0])
    count, delimiter, column = best
    if not count:
        return None
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    if files.find(rows[0][column], folder):
        header = [str(i) for i in range(len(rows[0]))]
    else:
        header, rows = [name.strip() for name in rows[0]], rows[1:]
    table = _Table(name=folder + place.name, header=header, rows=rows, file=column, folder=folder)
    return _with_file(table, settings)


def _from_annotations(found: Annotations, name: str, files: _Files, folder: str) -> _Table | None:
    count, column = _find_column(found.rows[:_TRIED_ROWS], files, folder)
    if not count:
        return None
    return _Table(
        name=name,
        header=found.header,
        rows=found.rows,
        file=column,
        problems=found.problems,
        folder=folder,
    )


def _find_column(rows: list[list[str]], files: _Files, folder: str) -> tuple[int, int]:
    """How many rows name files, and in which column; 0 where less than half of them do.

    A column that counts, or says who annotated, may name `1.png` too: the one with the most different
    files is taken, and of such columns that with the longest texts.
    """
    hits: Counter[int] = Counter()
    named: dict[int, set[str]] = {}
    length: Counter[int] = Counter()
    for row in rows:
        for i, cell in enumerate(row):
            if paths := files.find(cell, folder):
                hits[i] += 1
                length[i] += len(cell)
                named.setdefault(i, set()).update(paths)
    enough = [i for i, count in hits.items() if count * 2 >= len(rows) - 1]
    best = max(enough, key=lambda i: (len(named[i]), length[i]), default=None)
    return (0, 0) if best is None else (hits[best], best)


def _with_file(table: _Table, settings: TableSettings) -> _Table:
    """The column of files that the setting names."""
    if settings.file is None:
        return table
    return replace(table, file=_index(table.name, table.header, "file", settings.file))


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
        apart = len({table.folder for table in labelled}) == len(labelled)  # one for each folder
        labelled = [table for table in labelled if table.name in splits or apart]
    if not labelled:
        raise DataError(
            f"{len(tables)} tables name the {files.noun}: {', '.join(table.name for table in tables[:5])}"
            f"{' ...' * (len(tables) > 5)}. Choose one with --set data.source.table=FILE."
        )
    split_tables = len({splits.get(table.name) for table in labelled}) > 1
    used: set[str] = set()
    for table in labelled:
        classes = _read_classes(table, settings, layout, required=table is labelled[0])
        if classes is None:
            layout.decided.append(f"Left out: {table.name} has no column of classes")
            continue
        of_table = splits.get(table.name) if split_tables else None
        rows = zip(table.rows, classes, _read_splits(table, layout), strict=True)
        for i, (row, label, split) in enumerate(rows):
            found = _choose(row, table, files, label, split or of_table)
            if i in table.problems and found.problem == NO_CLASS:
                found = replace(found, problem=table.problems[i])
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
    paths = files.find(text, table.folder)
    if len(paths) > 1:  # train.csv names pictures of train/
        own = split_of(table.name)
        paths = [path for path in paths if own and own in map(split_of, path.split("/")[:-1])]
    problem = None
    if len(paths) != 1:
        problem = f"{'no file' if not paths else 'several files'} named {text!r}"
    elif not label:
        problem = NO_CLASS
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
        cells = [cell.strip() for cell in row]
        if len(cells) < len(table.header) or any(
            cells[i] not in ("0", "1", "0.0", "1.0") for i in columns
        ):
            return None
        ones = [i for i in columns if cells[i].startswith("1")]
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
