"""Series in sktime's .ts files: one sequence per line, channels between colons, the class or value last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from nets.config import config
from nets.spec import TensorSpec
from workbench.data.canonical import CanonicalFrame
from workbench.data.rows import add_keys, binary, location
from workbench.data.sources.paths import find_path
from workbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_ENDINGS = {"_TRAIN.ts": None, "_TEST.ts": "test"}
"""Endings of an archive's two files, and the split of each."""

_MAX_LINE = 2**20
"""Characters that are read of a header's line."""
_MOST = 100_000
"""More channels than this are taken for a broken header."""


@config
class TsFileSource:
    """Sequences of equal or varying length from .ts files, the format of the UEA and UCR archives."""

    kind: Literal["ts_file"] = "ts_file"
    path: str
    """A folder with NAME_TRAIN.ts and NAME_TEST.ts, or one .ts file."""
    max_length: int | None = Field(default=None, ge=1)
    """Steps kept of a sequence, its first ones; None: those of the longest."""


@dataclass(frozen=True)
class Header:
    """Channels and classes of a .ts file's lines."""

    num_channels: int
    labels: tuple[str, ...] | None
    """Class names in the file's order; None for measured values."""


def read(source: TsFileSource, spark: SparkSession) -> CanonicalFrame:
    """Sequences padded to the longest, with their length; the official test file is the test split.

    Bad rows, with the reason, are: lines with another number of channels, channels of different
    lengths, values that are missing or no number, unknown classes.

    Raises:
        DataError: there is no file, or a header lacks channels or classes.
    """
    from pyspark.sql import functions as F

    path = find_path(source.path, "a folder with NAME_TRAIN.ts and NAME_TEST.ts, or one .ts file")
    files = _find_files(path)
    headers = {file: _read_header(file) for file in files}
    header = next(iter(headers.values()))
    if any(other != header for other in headers.values()):
        raise DataError(
            f"{path}: the files must agree on channels and classes, got "
            + ", ".join(f"{f.name}: {h.num_channels}, {h.labels}" for f, h in headers.items())
        )
    lines = [_read_lines(spark, file, split) for file, split in files.items()]
    rows = lines[0] if len(lines) == 1 else lines[0].union(lines[1])
    rows = add_keys(rows, F.col("place"), F.col("value"))
    label = "double" if header.labels is None else "long"
    parsed = rows.mapInArrow(
        lambda batches: parse(batches, header),
        f"steps binary, label {label}, length int, key string, split string, reason string",
    ).persist()  # the longest sequence, the samples and the bad rows come from one pass
    good = parsed.where("reason is null")
    longest = good.agg(F.max("length")).collect()[0][0]
    if not longest:
        shown = "; ".join(
            f"{row['reason']} ({row['count']} lines)"
            for row in parsed.groupBy("reason").count().orderBy(F.desc("count"), "reason").take(3)
        )
        raise DataError(
            f"{path} has no sequence that can be read: {shown or 'there are no lines after @data'}."
        )
    spec = TensorSpec(kind="series", shape=(source.max_length or longest, header.num_channels))
    frame = good.drop("reason").mapInArrow(
        lambda batches: pad(batches, spec),
        f"features binary, label {label}, length int, num_steps int, key string, split string",
    )
    return CanonicalFrame(
        frame=frame,
        spec=spec,
        labels=header.labels,
        num_outputs=1 if header.labels is None else len(header.labels),
        bad=parsed.where("reason is not null").select("key", "reason"),
        decoded=parsed,
        measures={"shortened_rows": F.sum((F.col("num_steps") > F.col("length")).cast("long"))},
        official_test=len(files) == 2,
    )


def _find_files(path: Path) -> dict[Path, str | None]:
    """The files, and the split of each."""
    if path.is_file():
        return {path: None}
    files = {
        file: split for end, split in _ENDINGS.items() for file in sorted(path.glob(f"*{end}"))
    }
    if len(files) == 2 and list(files.values()) == [None, "test"]:
        return files
    raise DataError(
        f"{path} must have one file NAME_TRAIN.ts and one NAME_TEST.ts, got "
        f"{', '.join(p.name for p in files) or 'neither'}. Name a folder with both, or one file."
    )


def _read_header(file: Path) -> Header:
    """Channels and classes, from the lines that begin with @, up to @data.

    Raises:
        DataError: there is no @data, or channels or classes are not stated.
    """
    fields: dict[str, list[str]] = {}
    with file.open(encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(_MAX_LINE):
            words = line.split()
            if words and words[0].lower() == "@data":
                break
            if words and words[0].startswith("@"):
                fields[words[0].lower().lstrip("@")] = words[1:] or [""]
        else:
            raise DataError(f"{file} is no .ts file: it has no line @data.")
    if fields.get("timestamps", ["false"])[0].lower() == "true":
        raise DataError(
            f"{file} has time stamps at its values (@timeStamps true), which are not read."
        )
    univariate = fields.get("univariate", ["true"])[0].lower() == "true"
    channels = (
        fields.get("dimensions") or fields.get("dimension") or (["1"] if univariate else None)
    )
    classes = fields.get("classlabel", ["false"])
    values = fields.get("targetlabel", ["false"])[0].lower() == "true"
    if channels is None or (classes[0].lower() != "true" and not values):
        raise DataError(
            f"{file} must state @dimensions, and @classLabel true with its classes or @targetLabel "
            f"true, got {', '.join(f'@{name}' for name in fields)}."
        )
    is_number = channels[0].isascii() and channels[0].isdigit()
    if not is_number or not 1 <= int(channels[0][:9]) <= _MOST:
        raise DataError(f"{file}: @dimensions must be from 1 to {_MOST}, got {channels[0][:20]!r}.")
    return Header(int(channels[0]), None if values else tuple(classes[1:]))


def _read_lines(spark: SparkSession, file: Path, split: str | None) -> DataFrame:
    """Columns value (the sequences' lines), place, split."""
    from pyspark.sql import functions as F

    return (
        spark.read.text(location(file))
        .where(~F.col("value").rlike(r"^\s*([@#%]|$)"))
        .select(
            "value", F.lit(file.name).alias("place"), F.lit(split).cast("string").alias("split")
        )
    )


def parse(batches: Iterator[pa.RecordBatch], header: Header) -> Iterator[pa.RecordBatch]:
    """Lines as steps (the bytes of (length, channels) float32), label, length; or a reason."""
    import pyarrow as pa

    index = {name: i for i, name in enumerate(header.labels or ())}
    kind = pa.float64() if header.labels is None else pa.int64()
    for batch in batches:
        lines = batch.column("value").to_pylist()
        steps: list[bytes | None] = [None] * len(lines)
        labels: list[float | int | None] = [None] * len(lines)
        lengths: list[int | None] = [None] * len(lines)
        reasons: list[str | None] = [None] * len(lines)
        for row, line in enumerate(lines):
            try:
                values, labels[row] = parse_line(line, header, index)
                steps[row], lengths[row] = values.tobytes(), len(values)
            except ValueError as error:
                reasons[row] = str(error)
        yield pa.RecordBatch.from_pydict(
            {
                "steps": pa.array(steps, pa.binary()),
                "label": pa.array(labels, kind),
                "length": pa.array(lengths, pa.int32()),
                "key": batch.column("key"),
                "split": batch.column("split"),
                "reason": pa.array(reasons, pa.string()),
            }
        )


def parse_line(line: str, header: Header, index: dict[str, int]) -> tuple[np.ndarray, float | int]:
    """(length, channels) float32 and the label of one line.

    Raises:
        ValueError: the line differs from the header; the message is the reason.
    """
    *channels, last = line.strip().split(":")
    if len(channels) != header.num_channels:
        raise ValueError(f"{len(channels)} channels, the header says {header.num_channels}")
    columns = [channel.split(",") for channel in channels]
    sizes = sorted({len(column) for column in columns})
    if len(sizes) > 1:
        raise ValueError(f"channels of {sizes[0]} to {sizes[-1]} steps")
    try:
        values = np.array(columns, np.float32).T
    except ValueError:
        raise ValueError("a value that is missing or no number") from None
    if not np.isfinite(values).all():
        raise ValueError("a value that is not finite")
    if header.labels is None:
        if not math.isfinite(float(last)):
            raise ValueError(f"a value to learn that is not finite: {last}")
        return np.ascontiguousarray(values), float(last)
    if last.strip() not in index:
        raise ValueError(f"class {last.strip()!r} is not in the header")
    return np.ascontiguousarray(values), index[last.strip()]


def pad(batches: Iterator[pa.RecordBatch], spec: TensorSpec) -> Iterator[pa.RecordBatch]:
    """Steps cut or padded with zeros to the spec's number; `num_steps` is the number before that."""
    import pyarrow as pa

    for batch in batches:
        samples = np.zeros((batch.num_rows, *spec.shape), np.float32)
        lengths = np.minimum(batch.column("length").to_numpy(), spec.shape[0])
        for row, (steps, length) in enumerate(zip(batch.column("steps"), lengths, strict=True)):
            values = np.frombuffer(steps.as_buffer(), np.float32).reshape(-1, spec.shape[1])
            samples[row, :length] = values[:length]
        yield pa.RecordBatch.from_pydict(
            {
                "features": binary(samples),
                "label": batch.column("label"),
                "length": pa.array(lengths, pa.int32()),
                "num_steps": batch.column("length"),
                "key": batch.column("key"),
                "split": batch.column("split"),
            }
        )
