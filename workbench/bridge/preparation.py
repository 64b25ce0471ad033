"""From a source, or a canonical DataFrame, to the prepared store: split and measured on the way.

What is in the store already is used again, and Spark is not needed then.
"""

from __future__ import annotations

import errno
import functools
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nets.prepare import PreparationConfig
from nets.spec import TensorSpec
from workbench import data
from workbench.bridge import kept, shards, transfer
from workbench.bridge.arrays import COLUMNS
from workbench.bridge.prepared import Prepared, find, finish_shared, finish_store
from workbench.bridge.shard_writer import SHARDS_SCHEMA, number_shards, write_task
from workbench.bridge.shards import StoredShard, StoredShards, count_shards
from workbench.bridge.shared import new_shared_part
from workbench.bridge.spark_writer import Shard
from workbench.bridge.storage import resolve_storage
from workbench.bridge.store import StoredSplit, write_split
from workbench.cluster import Session
from workbench.data import DataConfig
from workbench.data.batches import limit_batch_bytes
from workbench.data.encode import SPLITS
from workbench.data.sources.dataframe import held_session
from workbench.errors import DataError
from workbench.home import prepared_folder
from workbench.progress import Progress, Silent
from workbench.spark_session import count_partitions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_FULL_PARTITION = 16 * 2**20
"""Bytes of features."""

SORTED_BYTES = 2**30
"""A split of up to this many bytes lies in the files in the order of its rows; a larger one has an index."""


def prepare(
    config: DataConfig,
    preparation: PreparationConfig,
    session: Session,
    *,
    progress: Progress | None = None,
    storage: str | None = None,
) -> Prepared:
    """Read, split and measure data in Spark and write it to the prepared store; or find it there.

    Args:
        storage: a folder or URL that all machines reach (`cluster.storage`): the store lies there, in
            shards. None: it lies on this machine.

    Raises:
        DataError: the data cannot be read, a split is empty, or too many rows are bad.
    """
    progress = progress or Silent()
    storage = None if storage is None else resolve_storage(storage)
    anew = data.is_read_anew(config)
    remote = anew or data.is_remote(config)
    if remote and session.prepare is not None:  # the process that has Spark lists the files
        session.make_room()
        prepared: Prepared = session.prepare(config, preparation, storage)
        session.prepared[prepared.fingerprint] = prepared
        return prepared
    # Rows say what they are where only reading shows them.
    if anew or (remote and data.is_read_anew(config, session.spark)):
        # A DataFrame is read by the Spark that it is of: a session of Spark Connect has no other.
        spark = held_session(config.source) or session.spark
        progress.stage("Reading and splitting the data in Spark")
        began = time.perf_counter()
        return prepare_table(
            data.read(config.source, spark),
            config,
            preparation,
            session,
            progress=progress,
            began=began,
            storage=storage,
        )
    fingerprint = data.fingerprint(config, preparation, session.spark if remote else None)
    known: Prepared | None = session.prepared.get(fingerprint)
    if known is not None and known.storage == storage and known.use():
        data.refuse(known.record, known.labels, config)
        return known
    if session.prepare is not None:
        session.make_room()
        session.prepared[fingerprint] = session.prepare(config, preparation, storage)
        return session.prepared[fingerprint]

    def note_wait() -> None:
        progress.stage("Waiting for another command that prepares the same data")

    with kept.lock_preparation(fingerprint, note_wait):
        if (found := find(fingerprint, storage)) is not None:
            prepared = found
            data.refuse(prepared.record, prepared.labels, config)
            session.prepared[fingerprint] = prepared
            progress.note(f"Data that was prepared before is used: {fingerprint}.")
            return prepared
        data.download_if_missing(config.source, progress)
        spark = session.spark  # its start is a stage before this one
        began = time.perf_counter()
        progress.stage("Reading and splitting the data in Spark")
        return prepare_table(
            data.read(config.source, spark),
            config,
            preparation,
            session,
            fingerprint=fingerprint,
            progress=progress,
            began=began,
            storage=storage,
        )


def prepare_table(
    table: data.CanonicalFrame,
    config: DataConfig,
    preparation: PreparationConfig,
    session: Session,
    *,
    fingerprint: str | None = None,
    progress: Progress | None = None,
    began: float | None = None,
    storage: str | None = None,
) -> Prepared:
    """Split and measure a canonical DataFrame in Spark, and write it to the prepared store.

    Afterwards, what Spark persisted for it is released, and files that were written for it are removed.

    Args:
        table: from a source's reader or `data.from_dataframe`. Rows whose `split` is null are split
            by `config.split`. `config.source` is not read.
        fingerprint: of the settings it was read by; None: computed from the rows' content.
        began: when the reading began, by `time.perf_counter`; None: now.
        storage: as in `prepare`.

    Raises:
        DataError: a split is empty, a class has too few rows, or too many rows are bad.
    """
    session.make_room()
    began = began or time.perf_counter()
    progress = progress or Silent()
    with data.limit_batches(table), data.watch_files(table, progress):
        prepared = _prepare(table, config, preparation, fingerprint, progress, began, storage)
    session.prepared[prepared.fingerprint] = prepared
    return prepared


def _prepare(
    canonical: data.CanonicalFrame,
    config: DataConfig,
    preparation: PreparationConfig,
    fingerprint: str | None,
    progress: Progress,
    began: float,
    storage: str | None,
) -> Prepared:
    progress.stage("Reading and splitting the data in Spark")
    # Rows that are stored already, before the split, are not stored again: a split adds no bytes.
    stored = canonical.encode is None and (
        canonical.decoded is not None or canonical.cache is not None
    )
    persisted = [] if canonical.decoded is None else [canonical.decoded]
    try:
        canonical = data.assign_splits(canonical, config.split, config.corrections)
        if canonical.decoded is not None and canonical.decoded not in persisted:
            persisted.append(canonical.decoded)
        frame = canonical.frame
        if not stored:
            persisted.append(frame.persist())
        record = data.record(canonical, config)
        seconds = {"read": time.perf_counter() - began}
        while not stored and len(persisted) > 1:
            persisted.pop(0).unpersist()
        progress.stage("Measuring the training split in Spark")
        began = time.perf_counter()
        statistics = data.fit_statistics(canonical, preparation)
        targets = data.fit_targets(canonical, preparation)
        seconds["statistics"] = time.perf_counter() - began
        progress.stage("Writing the prepared data")
        began = time.perf_counter()
        fingerprint = fingerprint or data.content_fingerprint(
            record["content"], canonical, preparation
        )
        if (found := find(fingerprint, storage)) is not None:
            progress.stage_done()
            return found
        record |= {
            "seconds": seconds,
            "bytes": sum(record["rows"].values()) * canonical.spec.num_bytes,
            "fingerprint": fingerprint,
        }
        counts = record.get("class_counts", {}).get("train")
        prepared = Prepared(
            splits={},
            spec=canonical.spec,
            labels=canonical.labels,
            num_outputs=canonical.num_outputs,
            statistics=statistics,
            class_counts=None if counts is None else tuple(counts),
            fingerprint=fingerprint,
            targets=targets,
            forecast=canonical.forecast,
            text=canonical.text,
            record=record,
        )
        write = write_store if storage is None else functools.partial(write_shared, storage)
        prepared = write(frame, canonical.spec, record["rows"], prepared)
    finally:
        for step in persisted:
            step.unpersist()
        if canonical.cache is not None:
            shutil.rmtree(canonical.cache, ignore_errors=True)
    for removed in kept.prune(spare=fingerprint):
        progress.note(
            f"Prepared data {removed.folder.name} ({removed.num_bytes / 1e9:.1f} GB) was removed: more "
            f"than {kept.bound_bytes() / 1e9:.0f} GB is not kept ({kept.BOUND})."
        )
    progress.stage_done()
    return prepared


def write_store(
    frame: DataFrame, spec: TensorSpec, counts: dict[str, int], prepared: Prepared
) -> Prepared:
    """Write the rows of a canonical DataFrame to a store, which is whole or absent.

    Args:
        frame: columns features (binary), label, split (string), key (string), and where the data
            has them length and weight.
        counts: rows of each split.
        prepared: everything but the splits; its record gets the seconds that this takes.

    Returns:
        `prepared` with the splits.

    Raises:
        DataError: Spark gave other rows than it counted; Spark and this process have no disk in
            common; or the disk is full.
    """
    num_bytes = sum(counts.values()) * spec.num_bytes
    names = [name for name in SPLITS if counts.get(name)]
    frame = _merge_small_partitions(_select(frame), num_bytes)
    began = time.perf_counter()
    try:
        with kept.new_part() as part:
            _check_room(part, num_bytes)
            splits = {}
            with transfer.export_shards(frame, num_bytes, spec.num_bytes) as shards:
                for name in names:
                    own = [shard for shard in shards if shard.split == name]
                    splits[name] = _write_shards(part / name, own, counts[name], spec)
            seconds = prepared.record.setdefault("seconds", {})
            seconds["convert"] = time.perf_counter() - began
            return finish_store(part, prepared, splits)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataError(_no_room(prepared_folder(), num_bytes)) from error


def write_shared(
    storage: str, frame: DataFrame, spec: TensorSpec, counts: dict[str, int], prepared: Prepared
) -> Prepared:
    """The same in `cluster.storage`: Spark's tasks write the shards where they run.

    Raises:
        DataError: Spark gave other rows than it counted, or `storage` cannot be reached.
    """
    num_shards = {
        name: count_shards(counts[name], spec.num_bytes) for name in SPLITS if counts.get(name)
    }
    began = time.perf_counter()
    with new_shared_part(storage, prepared.fingerprint, list(num_shards)) as part:
        write = functools.partial(write_task, address=part.address, folder=part.path, spec=spec)
        numbered = number_shards(_select(frame), num_shards)
        with limit_batch_bytes(frame.sparkSession, spec.num_bytes):
            written = [
                (facts.pop("split"), StoredShard.load(facts))
                for facts in (
                    row.asDict() for row in numbered.mapInArrow(write, SHARDS_SCHEMA).collect()
                )
            ]
        splits = {}
        for name in num_shards:
            own = sorted((shard for split, shard in written if split == name), key=_name_of)
            splits[name] = StoredShards(shards=tuple(own), window=shards.WINDOW)
            _check_count(name, splits[name].rows, counts[name])
        prepared.record.setdefault("seconds", {})["convert"] = time.perf_counter() - began
        return finish_shared(part, prepared, splits)


def _name_of(shard: StoredShard) -> str:
    return shard.name


def _select(frame: DataFrame) -> DataFrame:
    return frame.select(*(c for c in (*COLUMNS, "split", "key") if c in frame.columns))


def _check_count(split: str, arrived: int, count: int) -> None:
    if arrived != count:
        raise DataError(
            f"Spark counted {count:,} rows of the {split} split and then gave {arrived:,}: the "
            "source changed while it was read, or gives other rows each time. Store it as Parquet "
            "first, and use that."
        )


def _write_shards(
    folder: Path, shards: Sequence[Shard], count: int, spec: TensorSpec
) -> StoredSplit:
    """Write the rows of a split, which are to be `count`."""
    arrived = sum(shard.rows for shard in shards)
    _check_count(folder.name, arrived, count)
    sort = arrived * spec.num_bytes <= SORTED_BYTES
    return write_split(folder, list(transfer.open_shards(shards)), spec, sort=sort)


def _check_room(folder: Path, num_bytes: int) -> None:
    if shutil.disk_usage(folder).free < num_bytes:
        kept.prune(0)
    if shutil.disk_usage(folder).free < num_bytes:
        raise DataError(_no_room(folder.parent, num_bytes))


def _no_room(folder: Path, num_bytes: int) -> str:
    free = shutil.disk_usage(folder).free
    return (
        f"The prepared data takes {num_bytes / 1e9:.1f} GB, and the disk of {folder} has "
        f"{free / 1e9:.1f} GB free. Free some, or name a folder on a larger disk in WORKBENCH_HOME."
    )


def _merge_small_partitions(frame: DataFrame, num_bytes: int) -> DataFrame:
    """Fewer partitions where Spark made many small ones: each costs a task and a file."""
    enough = max(2, math.ceil(num_bytes / _FULL_PARTITION))
    partitions = count_partitions(frame)
    if partitions is None:  # Spark Connect does not say; fewer stay as they are
        return frame.coalesce(4 * enough)
    return frame.coalesce(enough) if partitions > 4 * enough else frame
