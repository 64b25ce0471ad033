"""DataFrame -> Ray Dataset -> contiguous tensors.

The bytes of the rows are copied once on the way (`workbench.bridge.arrays`), and mapped from Ray's object
store by everyone who trains on them.
"""

from __future__ import annotations

import math
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray
import torch

from nets.fit import Batch
from nets.prepare import PreparationConfig
from nets.spec import TensorSpec
from nets.statistics import Statistics
from nets.text import TextEncoding
from workbench import data
from workbench.bridge import transfer
from workbench.bridge.arrays import COLUMNS, Arrays, to_arrays
from workbench.cluster.session import Session
from workbench.data.canonical import Forecast
from workbench.data.config import DataConfig
from workbench.data.statistics import fit_targets
from workbench.errors import DataError
from workbench.progress import Progress, Silent

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SPLITS = ("train", "validation", "test")
_LOST_S = 60.0
"""What no machine brings within this time is lost."""

_FULL_PARTITION = 16 * 2**20
"""Bytes of features."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split, in Ray: as arrays in the object store, or as a Dataset to stream."""

    name: str
    num_rows: int
    spec: TensorSpec
    arrays: ray.ObjectRef[Arrays] | None = None
    dataset: ray.data.Dataset | None = None

    def read(self) -> Arrays:
        """The split's arrays: a read-only map of Ray's object store, without a copy."""
        assert self.arrays is not None, "streamed splits have no arrays"
        return ray.get(self.arrays)

    def tensors(self) -> Batch:
        """The split as one batch of tensors on the CPU, sharing the object store's memory."""
        return to_batch(self.read())


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Data ready to train on; small, and usable from any process of the Ray cluster."""

    splits: dict[str, Split]
    spec: TensorSpec
    labels: tuple[str, ...] | None
    """Class names by index; None for regression."""
    num_outputs: int
    statistics: Statistics | None
    """What the preparation needs, from the training split only."""
    class_counts: tuple[int, ...] | None
    """Training rows of each class; None for regression."""
    fingerprint: str
    """Same fingerprint, same tensors."""
    targets: Statistics | None = None
    """Regression: what the preparation needs of the training split's labels."""
    forecast: Forecast | None = None
    """Forecasts: what is predicted from what."""
    text: TextEncoding | None = None
    """Text: how it became token ids."""
    record: dict[str, Any] = field(default_factory=dict)
    """What was done: rows, bytes, bad rows, seconds by stage."""


def prepare(
    config: DataConfig,
    preparation: PreparationConfig,
    session: Session,
    *,
    progress: Progress | None = None,
) -> Prepared:
    """Read, split and measure data in Spark and hand it to Ray; once per fingerprint and bench, and
    again where it was lost with the machine that held it.

    Raises:
        DataError: the data cannot be read, a split is empty, or too many rows are bad.
    """
    fingerprint = data.fingerprint(config, preparation)
    progress = progress or Silent()
    if fingerprint in session.prepared and not is_whole(session.prepared[fingerprint]):
        del session.prepared[fingerprint]
        progress.note("Prepared data was lost with the machine that held it; it is made again.")
    if fingerprint not in session.prepared:
        if session.prepare is not None:
            session.make_room()
            session.prepared[fingerprint] = session.prepare(config, preparation)
            return session.prepared[fingerprint]
        data.obtain(config.source, progress)
        began = time.perf_counter()
        progress.stage("Reading and splitting the data in Spark")
        table = data.read(config.source, session.spark)
        prepare_table(
            table,
            config,
            preparation,
            session,
            fingerprint=fingerprint,
            progress=progress,
            began=began,
        )
    found: Prepared = session.prepared[fingerprint]
    return found


class Supply:
    """The data of a training, which is made again where it is lost with the machine that held it.

    Args:
        again: prepares it anew; None: it came from the calling program, which alone can.
    """

    def __init__(self, prepared: Prepared, again: Callable[[], Prepared] | None) -> None:
        self.prepared = prepared
        self._again = again

    def mend(self) -> bool:
        """Whether the data was lost, and is there again.

        Raises:
            DataError: it was lost, and cannot be made again here.
        """
        if is_whole(self.prepared):
            return False
        if self._again is None:
            raise DataError(
                "The data was lost with the machine that held it, and it came from the calling "
                "program, which alone can make it again. Fit or train again."
            )
        self.prepared = self._again()
        return True


def is_whole(prepared: Prepared) -> bool:
    """Whether Ray still has all of the data, in memory or on a disk."""
    if all(node["Alive"] for node in ray.nodes()):
        return True
    refs: list[Any] = []
    for split in prepared.splits.values():
        refs += [split.arrays] if split.arrays is not None else []
        refs += split.dataset.get_internal_block_refs() if split.dataset is not None else []
    # Tasks go to where their arguments are, and end with the error of one that is nowhere.
    touch = ray.remote(_touch).options(num_cpus=0)
    try:
        ray.get([touch.remote(ref) for ref in refs], timeout=_LOST_S)
    except ray.exceptions.RayError:
        return False
    return True


def _touch(value: object) -> None:
    """A task that needs its argument."""


def prepare_table(
    table: data.Table,
    config: DataConfig,
    preparation: PreparationConfig,
    session: Session,
    *,
    fingerprint: str | None = None,
    progress: Progress | None = None,
    began: float | None = None,
) -> Prepared:
    """Split and measure a table in Spark and hand it to Ray; `benchmarks.prepared` has it afterwards.

    What Spark has persisted for it, and files that were made for it, are gone then.

    Args:
        table: as a source's reader or `data.from_dataframe` gives it; where `split` is null, it is
            drawn as `config.split` says. `config.source` is not read.
        fingerprint: what `benchmarks.prepared` has it under; None: made from the rows' content.
        began: when the reading began, by `time.perf_counter`; None: now.

    Raises:
        DataError: a split is empty, a class has too few rows, or too many rows are bad.
    """
    session.make_room()
    with data.bounded(table):
        prepared = _prepared(
            table,
            config,
            preparation,
            fingerprint,
            progress or Silent(),
            began or time.perf_counter(),
        )
    session.prepared[prepared.fingerprint] = prepared
    return prepared


def _prepared(
    table: data.Table,
    config: DataConfig,
    preparation: PreparationConfig,
    fingerprint: str | None,
    progress: Progress,
    began: float,
) -> Prepared:
    progress.stage("Reading and splitting the data in Spark")
    # Rows that are stored already, before the split, are not stored again: a split adds no bytes.
    stored = table.encode is None and (table.decoded is not None or table.cache is not None)
    held = [] if table.decoded is None else [table.decoded]
    try:
        table = data.placed(table, config.split)
        if table.decoded is not None and table.decoded not in held:
            held.append(table.decoded)
        frame = table.frame
        if not stored:
            held.append(frame.persist())
        record = data.record(table, config)
        seconds = {"read": time.perf_counter() - began}
        while not stored and len(held) > 1:
            held.pop(0).unpersist()
        progress.stage("Measuring the training split in Spark")
        began = time.perf_counter()
        statistics = data.fit_statistics(table, preparation)
        targets = fit_targets(table, preparation)
        seconds["statistics"] = time.perf_counter() - began
        progress.stage("Handing the DataFrame to Ray")
        began = time.perf_counter()
        splits = convert(frame, table.spec, config, counts=record["rows"])
        seconds["convert"] = time.perf_counter() - began
    finally:
        for persisted in held:
            persisted.unpersist()
        if table.cache is not None:
            shutil.rmtree(table.cache, ignore_errors=True)
    progress.stage_done()
    num_bytes = sum(split.num_rows for split in splits.values()) * table.spec.num_bytes
    fingerprint = fingerprint or data.content_fingerprint(record["content"], table, preparation)
    record |= {"seconds": seconds, "bytes": num_bytes, "fingerprint": fingerprint}
    counts = record.get("class_counts", {}).get("train")
    return Prepared(
        splits=splits,
        spec=table.spec,
        labels=table.labels,
        num_outputs=table.num_outputs,
        statistics=statistics,
        class_counts=None if counts is None else tuple(counts),
        fingerprint=fingerprint,
        targets=targets,
        forecast=table.forecast,
        text=table.text,
        record=record,
    )


def convert(
    frame: DataFrame, spec: TensorSpec, config: DataConfig, *, counts: dict[str, int]
) -> dict[str, Split]:
    """The canonical DataFrame as one Split per value of its `split` column.

    Up to `config.resident_bytes` as arrays, in the order of the rows' keys; otherwise as Datasets.

    Args:
        frame: columns features (binary), label, split (string), key (string), and where the data
            has them length and weight.
        counts: rows of each split.

    Raises:
        DataError: other rows came than were counted, or Spark and Ray have no disk in common.
    """
    num_bytes = sum(counts.values()) * spec.num_bytes
    names = [name for name in SPLITS if counts.get(name)]
    frame = frame.select(*(c for c in (*COLUMNS, "split", "key") if c in frame.columns))
    with transfer.pieces(_fewer_partitions(frame, num_bytes), num_bytes, spec.num_bytes) as found:
        for name in names:
            arrived = sum(piece.rows for piece in found if piece.split == name)
            if arrived != counts[name]:
                raise DataError(
                    f"Spark counted {counts[name]:,} rows of the {name} split and then gave "
                    f"{arrived:,}: the source changed while it was read, or gives other rows each "
                    "time. Store it as Parquet first, and use that."
                )
        if num_bytes <= config.resident_bytes:
            arrays = transfer.to_arrays(found, names, spec)
            return {
                name: Split(name=name, num_rows=counts[name], spec=spec, arrays=ref)
                for name, ref in zip(names, arrays, strict=True)
            }
        return {
            name: Split(
                name=name,
                num_rows=counts[name],
                spec=spec,
                dataset=transfer.to_dataset([piece for piece in found if piece.split == name]),
            )
            for name in names
        }


def _fewer_partitions(frame: DataFrame, num_bytes: int) -> DataFrame:
    """Fewer, fuller ones where Spark made many small ones: each costs a task on both sides."""
    needed = max(2, math.ceil(num_bytes / _FULL_PARTITION))
    return frame.coalesce(needed) if frame.rdd.getNumPartitions() > 4 * needed else frame


def stream(
    source: ray.data.Dataset | ray.data.DataIterator,
    spec: TensorSpec,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
) -> Iterator[Batch]:
    """Batches from a Ray Dataset, never whole in memory.

    Args:
        shuffle_seed: shuffle within a window of 16 batches and leave an uneven last batch out, so
            that synchronised workers with equal shards take equally many steps.
    """
    shuffled = shuffle_seed is not None
    for table in source.iter_batches(
        batch_size=batch_size,
        batch_format="pyarrow",
        local_shuffle_buffer_size=16 * batch_size if shuffled else None,
        local_shuffle_seed=shuffle_seed,
        drop_last=shuffled,
    ):
        yield to_batch(to_arrays(table, spec))


def to_batch(arrays: Arrays) -> Batch:
    """Arrays as CPU tensors that share their memory; never written to."""
    with warnings.catch_warnings():
        # Maps of the object store are read-only, and so is our use of them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensors = {name: torch.from_numpy(arrays[name]) for name in COLUMNS if name in arrays}
    return Batch(**tensors)
