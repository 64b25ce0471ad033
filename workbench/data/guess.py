"""The kind of source at a path, guessed from file names."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from workbench.data.csv_config import CsvConfig
from workbench.data.dialect import find_dialect, open_unpacked, split_rows
from workbench.data.listing import list_folder
from workbench.data.number_text import is_number
from workbench.data.pictures import ENDINGS, SEEN, choose_shape
from workbench.data.sources.archives import holds, list_endings, list_members, read_member
from workbench.data.sources.guess_columns import guess_columns
from workbench.data.sources.guess_sounds import (
    describe_sounds,
    guess_sound_archive,
    guess_sound_columns,
    guess_sound_folder,
)
from workbench.data.sources.paths import find_path
from workbench.data.sources.picture_columns import first_file, guess_picture_columns
from workbench.data.split_names import split_of
from workbench.data.table_files import ending_of, list_tables
from workbench.errors import DataError

_TABLES = {
    **{".parquet": "parquet", ".pq": "parquet", ".orc": "orc"},
    **{".json": "json", ".jsonl": "json", ".ndjson": "json"},
    **{".csv": "csv", ".tsv": "csv", ".tab": "csv", ".psv": "csv"},
    **{".libsvm": "libsvm", ".svm": "libsvm", ".svmlight": "libsvm"},
}

_ARCHIVES = (
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".tar",
    ".zip",
    ".7z",
    ".rar",
)

_LIBSVM = re.compile(r"\s*[+-]?\d+(\.\d+)?(\s+\d+:[-+.\deE]+)+\s*(#.*)?")

_TFRECORD = (
    "TFRecord is read where Spark has its connector: put com.linkedin.sparktfrecord:spark-tfrecord into "
    "spark.jars.packages (cluster.spark.settings, or your own session with workbench.open), and name it: "
    '\'{"kind": "table", "format": "tfrecord", "path": "..."}\'. Or write Parquet from where TensorFlow is: '
    "pandas.DataFrame(rows).to_parquet('x.parquet')."
)
_FASTTEXT = (".txt", ".train", ".valid", ".test", ".ft", "")
"""Endings of files of texts with their classes."""
_SHARD = re.compile(r"(\.tfrecords?)[-.].*")
"""train.tfrecord-00000-of-00004"""

_NOT_READ = {
    ".tfrecord": _TFRECORD,
    ".tfrecords": _TFRECORD,
    ".npy": "arrays of NumPy are no table. Write one with pandas: "
    "pandas.DataFrame(array).assign(label=labels).to_parquet('table.parquet').",
    ".npz": "arrays of NumPy are no table. Write one with pandas: "
    "pandas.DataFrame(x.reshape(len(x), -1)).assign(label=y).to_parquet('table.parquet').",
    ".feather": "Spark reads no Feather. Write it with pandas: "
    "pandas.read_feather('x.feather').to_parquet('x.parquet').",
    ".arrow": "Spark reads no Arrow files. Write it with pandas: "
    "pandas.read_feather('x.arrow').to_parquet('x.parquet').",
    ".arff": "Weka's ARFF is not read. Write a table: "
    "pandas.DataFrame(scipy.io.arff.loadarff('x.arff')[0]).to_parquet('x.parquet').",
    ".mat": "MATLAB's files are not read. Write a table with pandas from scipy.io.loadmat('x.mat').",
    ".dta": "Stata's files are not read. Write a table: "
    "pandas.read_stata('x.dta').to_parquet('x.parquet').",
    ".sav": "SPSS's files are not read. Write a table: "
    "pandas.read_spss('x.sav').to_parquet('x.parquet').",
    ".sas7bdat": "SAS's files are not read. Write a table: "
    "pandas.read_sas('x.sas7bdat').to_parquet('x.parquet').",
    ".sqlite": "a database is read through the session's catalog or a file. Write a table with pandas: "
    "pandas.read_sql('select * from NAME', connection).to_parquet('x.parquet').",
    ".hdf5": "Spark reads no HDF5. Write a table with pandas: "
    "pandas.read_hdf('x.hdf5').to_parquet('x.parquet').",
    ".xlsx": "Spark reads no Excel files. Save the sheet as CSV.",
    ".xls": "Spark reads no Excel files. Save the sheet as CSV.",
    ".pkl": "a pickle can run any code when it is opened. Write a table: "
    "pandas.read_pickle('x.pkl').to_parquet('x.parquet').",
    ".h5": "Spark reads no HDF5. Write a table with pandas: "
    "pandas.read_hdf('x.h5').to_parquet('x.parquet').",
}
"""What is to be done with files of these endings."""

_START_BYTES = 2**18
"""Enough of a picture's file to know its size and channels."""


def guess_source(text: str) -> dict[str, Any]:
    """Settings of a source that reads the path `text`: its kind, its path, and format or files.

    Raises:
        DataError: nothing is there, or no kind of source has such file names.
    """
    path = find_path(text, "data")
    settings = _guess_file(path) if path.is_file() else _guess_folder(path)
    if settings is None:
        if way := _NOT_READ.get(_ending_of(path.name)):
            raise DataError(f"{path} cannot be read: {way}")
        raise DataError(
            f"{path} is of no known kind of data: no names of pictures, tables, texts or series, and no "
            f"text with cells. {_show_endings(path)}Name the kind, as JSON: "
            '\'{"kind": "table", "format": "csv", "path": "..."}\'.'
        )
    return {**settings, "path": str(path)}


def _ending_of(name: str) -> str:
    return ending_of(_SHARD.sub(r"\1", name.lower()))


def _show_endings(path: Path) -> str:
    """The files of a folder by their endings, with what is to be done about the most frequent one."""
    if path.is_file():
        return ""
    names = [name for name, _ in list_folder(path)[0].walk()]
    counts = Counter(_ending_of(name) or "no ending" for name in names).most_common(5)
    shown = ", ".join(f"{ending} ({count})" for ending, count in counts)
    way = _NOT_READ.get(counts[0][0], "") if counts else ""
    return f"It holds {shown or 'no file'}{f': {way}' if way else ''}. ".replace("..", ".")


def _guess_file(path: Path) -> dict[str, Any] | None:
    if (archived := _guess_archives([path])) is not None:
        return archived
    if path.name.lower().endswith(_ARCHIVES):
        return _guess_archive(path)
    if path.suffix == ".ts":
        return {"kind": "ts_file"}
    _refuse_fasttext(path)
    form = _TABLES.get(ending_of(path.name))
    if form is None and _ending_of(path.name) not in _NOT_READ and _is_libsvm(path):
        form = "libsvm"
    if form is None and _ending_of(path.name) not in _NOT_READ and _is_csv(path):
        form = "csv"
    return None if form is None else _guess_table(path, form)


def _refuse_fasttext(path: Path) -> None:
    """
    Raises:
        DataError: each line begins with a class as fastText writes it.
    """
    if path.suffix.lower() not in _FASTTEXT:
        return
    with path.open("rb") as file:
        text = file.read(1 << 14).decode("utf-8-sig", "replace")
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    if not lines or not all(line.startswith("__label__") for line in lines):
        return
    if any(line.split()[1:2] and line.split()[1].startswith("__label__") for line in lines):
        raise DataError(
            f"{path} has several of fastText's classes before a text, {lines[0][:60]!r}. A text has one class "
            "here: leave one of them, and write a table of class, tab and text."
        )
    raise DataError(
        f"{path} has fastText's class before each text, {lines[0][:60]!r}. Write a table of class, tab and "
        f"text: sed -E 's/^__label__([^ ]+) +/\\1\\t/' {path.name} > {path.stem}.tsv."
    )


def _is_libsvm(path: Path) -> bool:
    """Whether the first lines are a label and numbered features: `1 3:0.5 8:1`."""
    with open_unpacked(path) as file:
        lines = file.read(1 << 16).decode("ascii", "replace").splitlines()[:20]
    return len(lines) > 1 and all(map(_LIBSVM.fullmatch, lines[:-1]))


def _guess_archives(paths: list[Path]) -> dict[str, Any] | None:
    """Plain archives of pictures or sounds, by the first one."""
    archives = [path for path in paths if path.suffix.lower() in (".tar", ".zip")]
    kind = holds(archives[0]) if archives else None
    if kind == "sounds":
        return guess_sound_archive(archives[0])
    return None if kind is None else {"kind": "picture_tars", **_shape_in(archives[0])}


def _guess_archive(path: Path) -> dict[str, Any]:
    """CIFAR-10's archive.

    Raises:
        DataError: it holds something else.
    """
    if "cifar" in path.name.lower():
        return {"kind": "cifar_archive"}
    endings = list_endings(path)
    shown = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in endings.items())
    way = "unzip -d FOLDER" if path.suffix.lower() == ".zip" else "tar -C FOLDER -xf"
    raise DataError(
        f"{path} is an archive ({shown or 'it cannot be listed'}), which is not read where it lies: only "
        f"pictures and sounds in plain .tar and .zip archives are. Unpack it ({way} {path.name}), and name the "
        "folder."
    )


def _is_csv(path: Path) -> bool:
    """Whether a text of another ending (.txt, .data, none) has the same number of cells in every row."""
    with open_unpacked(path) as file:
        start = file.read(1 << 12)
    try:
        dialect = find_dialect(path, CsvConfig())
    except DataError:
        return False
    if b"\0" in start and not dialect.encoding.startswith("utf-16"):
        return False
    if dialect.delimiter != " ":
        return len(dialect.names) > 1
    return dialect.aligned and len(dialect.names) > 1 and _is_mostly_numbers(path)


def _is_mostly_numbers(path: Path) -> bool:
    """Whether most cells of a text with cells are numbers."""
    dialect = find_dialect(path, CsvConfig())
    with open_unpacked(path) as file:
        text = file.read(1 << 12).decode(dialect.encoding, "ignore")
    cells = [cell for row in split_rows(text, dialect)[1:-1] for cell in row]
    return sum(is_number(cell, dialect.decimal) for cell in cells) > 0.6 * len(cells)


def _guess_folder(path: Path) -> dict[str, Any] | None:
    names = [child.name for child in sorted(path.iterdir())]
    for child in sorted(path.iterdir())[:20]:
        if child.is_file():
            _refuse_fasttext(child)
    if any(name.endswith("_TRAIN.ts") for name in names):
        return {"kind": "ts_file"}
    if any("images-idx3" in name or "images.idx3" in name for name in names):
        return {"kind": "idx"}
    if "data_batch_1" in names or "cifar-10-batches-py" in names:
        return {"kind": "cifar_archive"}
    if {"dataset_dict.json", "state.json"} & set(names) or any(path.glob("*/state.json")):
        raise DataError(
            f"{path} was written by save_to_disk of HuggingFace's datasets, as Arrow, which Spark does "
            "not read. Write Parquet: for name, part in datasets.load_from_disk(PATH).items(): "
            "part.to_parquet(f'data/{name}.parquet'), and name that folder."
        )
    endings = {ending_of(name) for name in names}
    files = [name for name, _ in list_folder(path)[0].walk()]
    if _holds_pictures(files):
        return {"kind": "image_folder", **_shape_below(path, files)}
    if archived := _guess_archives(sorted(path.iterdir())):
        return archived
    if (sounds := guess_sound_folder(path, files)) is not None:
        return sounds
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
        first = min(p for p in path.iterdir() if p.suffix.lower() == ".txt")
        if _is_csv(first) and _is_mostly_numbers(first):
            return _guess_table(path, "csv")
        return {"kind": "text", "format": "lines", "files": "*.txt"}
    return None


def _holds_pictures(files: list[str]) -> bool:
    """Whether there are pictures, and more of them than tables (`labels.csv`) beside them."""
    pictures = sum(Path(name).suffix.lower() in ENDINGS for name in files)
    return pictures > sum(ending_of(name) in _TABLES for name in files)


def _shape_below(path: Path, files: list[str]) -> dict[str, Any]:
    """The setting `shape` for a folder of pictures, by some of them from all of its parts."""
    pictures = [name for name in files if Path(name).suffix.lower() in ENDINGS]
    seen = pictures[:: -(-len(pictures) // SEEN)]
    return _shape(_read_start(path / name) for name in seen)


def _read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_START_BYTES)


def _shape_in(archive: Path) -> dict[str, Any]:
    """The setting `shape` for an archive of pictures, by its first ones."""
    members = ((Path(name).suffix.lower(), member) for name, member in list_members(archive))
    pictures = (member for ending, member in members if ending in ENDINGS)
    return _shape(read_member(archive, member) for member in islice(pictures, SEEN))


def _shape(contents: Iterable[bytes]) -> dict[str, Any]:
    try:
        shape = choose_shape(contents)
    except (OSError, DataError, zlib.error):  # the reader says it
        return {}
    return {} if shape is None else {"shape": shape}


def _guess_table(path: Path, form: str) -> dict[str, Any]:
    """A table; of pictures or text where its first file has such a column."""
    first = first_file(path, f"*.{form}*")
    if first is not None and (columns := guess_picture_columns(first, form)) is not None:
        return {"kind": "image_table", "format": form, **columns}
    if first is not None and form == "parquet" and (sounds := guess_sound_columns(first)):
        return sounds
    if form not in ("csv", "json", "parquet", "orc"):
        return {"kind": "table", "format": form}
    files = list_tables(path, form).files
    trained = [
        file for file, split in files.items() if split == "train"
    ]  # others may have no label
    return guess_columns((trained or list(files))[0], form)


def describe_guess(settings: dict[str, Any]) -> list[str]:
    """What was guessed about a path, in sentences with the settings that overrule it."""
    kind = settings["kind"]
    if kind == "text" and settings["format"] not in ("lines", "files"):
        return [
            f"Taken for texts ({settings['text_column']}) and their class ({settings['label_column']}): "
            "--set data.source.text_column=COLUMN, data.source.label_column=COLUMN."
        ]
    if kind in ("sound_folder", "sound_table", "sound_tars"):
        return describe_sounds(settings)
    if kind != "series":
        return []
    time = settings["time_column"]
    entity = settings.get("entity_column")
    of = f", for each {entity}" if entity else ""
    if "label_column" in settings:
        what = (
            f"windows of {settings['length']} steps, each with the class {settings['label_column']} "
            "of its last step"
        )
    else:
        season = settings.get("season")
        after = f"; values repeat after {season} steps" if season else ""
        what = (
            f"{settings['targets'][0]} is forecast {settings['horizon']} steps ahead from "
            f"{settings['length']} steps{after}"
        )
    return [
        f"Taken for a series, as the times in {time} go up from row to row{of}: {what}. The last rows "
        "are held out. --set data.source.targets, length, horizon, season and label_column change it; "
        '\'{"kind": "table", "path": ...}\' takes each row for itself.'
    ]
