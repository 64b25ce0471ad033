"""Samples that a person leaves out or gives another class, from a small file."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.data.canonical import CanonicalFrame
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COLUMNS = ("key", "action", "label")
"""Of the file, a CSV in UTF-8 with this first line."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What is done to the samples of a key."""

    action: Literal["exclude", "relabel"]
    label: str = ""
    """relabel: the name of the right class."""


def read_corrections(path: str) -> dict[str, Correction]:
    """The corrections of a file, by key; of a key that is there twice, the last one.

    Raises:
        DataError: it cannot be read, or a line is no correction.
    """
    file = Path(path).expanduser()
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.DictReader(opened)
            if missing := set(COLUMNS) - set(rows.fieldnames or ()):
                raise DataError(
                    f"{path} must be a CSV file with the columns {', '.join(COLUMNS)}, and has no "
                    f"{', '.join(sorted(missing))}. `workbench data labels RUN --exclude FILE.csv` "
                    "writes one."
                )
            return {row["key"]: _read_line(row, path, rows.line_num) for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"data.corrections must be a CSV file with the columns {', '.join(COLUMNS)}, and {path} "
            f"cannot be read: {error}."
        ) from error


def _read_line(row: dict[str, str | None], path: str, line: int) -> Correction:
    action, label = (row["action"] or "").strip(), (row["label"] or "").strip()
    if action == "exclude":
        return Correction(action="exclude")
    if action == "relabel" and label:
        return Correction(action="relabel", label=label)
    raise DataError(
        f"{path}, line {line}: action must be exclude, or relabel with a label, got {action!r} with "
        f"label {label!r}."
    )


def write_corrections(path: Path, corrections: Mapping[str, Correction]) -> None:
    """Write the file anew. It is whole or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(COLUMNS)
        writer.writerows((key, one.action, one.label) for key, one in corrections.items())
    part.replace(path)


def add_corrections(path: Path, corrections: Mapping[str, Correction]) -> int:
    """Add to the file, or begin it; a key that is there already gets the new action.

    Returns:
        How many corrections it holds now.

    Raises:
        DataError: the file is there, and is no file of corrections.
    """
    every = {**(read_corrections(str(path)) if path.exists() else {}), **corrections}
    write_corrections(path, every)
    return len(every)


def digest(path: str) -> str:
    """For the fingerprint of the data: a hash of the file's bytes. Where it lies does not count."""
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError:
        content = path.encode()  # reading the data says what is wrong with it
    return hashlib.sha256(content).hexdigest()[:16]


def correct(canonical: CanonicalFrame, path: str) -> CanonicalFrame:
    """The rows without those that are left out, and with the classes of the file; it says how many.

    Splits are drawn before: a correction moves no other row to another split.

    Raises:
        DataError: the file cannot be read, names no row at all, or names a class that there is not.
    """
    from pyspark.sql import functions as F

    corrections = read_corrections(path)
    if not corrections:
        return replace(canonical, decided=(*canonical.decided, f"Corrections: {path} has none."))
    indices = _index_labels(corrections.values(), canonical, path)
    rows = [
        (key, one.action == "exclude", indices.get(one.label)) for key, one in corrections.items()
    ]
    frame = canonical.frame
    table = frame.sparkSession.createDataFrame(rows, "key string, _out boolean, _label long")
    joined = frame.join(F.broadcast(table), "key", "left")
    decided = _count(joined, len(corrections), path)
    kept = joined.where(F.coalesce(~F.col("_out"), F.lit(True)))
    if canonical.labels is not None:
        kept = kept.withColumn("label", F.coalesce("_label", "label"))
    frame = kept.select(*frame.columns)
    return replace(canonical, frame=frame, decided=(*canonical.decided, decided))


def _index_labels(
    corrections: Iterable[Correction], canonical: CanonicalFrame, path: str
) -> dict[str, int]:
    named = {one.label for one in corrections if one.action == "relabel"}
    if named and canonical.labels is None:
        raise DataError(
            f"{path} gives samples another class, and this data has measured values. Leave such samples "
            "out (action exclude), or correct the values in the data."
        )
    names = canonical.labels or ()
    if unknown := sorted(named - set(names)):
        raise DataError(
            f"{path} names the class {unknown[0]!r}, which the data does not have. It has "
            f"{', '.join(names[:20])}{' and more' if len(names) > 20 else ''}."
        )
    return {name: names.index(name) for name in named}


def _count(joined: DataFrame, num: int, path: str) -> str:
    from pyspark.sql import functions as F

    figures = (F.count(F.lit(1)).alias("rows"), F.countDistinct("key").alias("keys"))
    groups = joined.where(F.col("_out").isNotNull()).groupBy("_out").agg(*figures).collect()
    rows = {row["_out"]: row["rows"] for row in groups}
    lost = num - sum(row["keys"] for row in groups)
    if lost == num:
        raise DataError(
            f"None of the {num} keys of {path} is a row of this data: it belongs to other data, or the "
            "source names its rows in another way now. Set data.corrections to null."
        )
    missing = f"; {lost} of its keys are of no row" if lost else ""
    return (
        f"Corrections: {rows.get(True, 0)} rows are left out and {rows.get(False, 0)} get another class, "
        f"as {Path(path).name} says{missing}."
    )
