"""DataFrame -> Ray's object store, split and measured on the way.

The bytes of the rows are copied once (`workbench.bridge.arrays`), and every process that trains on
them maps them from the object store.
"""

from __future__ import annotations

import math
import shutil
import time
from typing import TYPE_CHECKING

from nets.prepare import PreparationConfig
from nets.spec import TensorSpec
from workbench import data
from workbench.bridge import transfer
from workbench.bridge.arrays import COLUMNS
from workbench.bridge.prepared import Prepared, Split
from workbench.bridge.recovery import is_whole
from workbench.cluster import Session
from workbench.data import DataConfig
from workbench.data.encode import SPLITS
from workbench.errors import DataError
from workbench.progress import Progress, Silent

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_FULL_PARTITION = 16 * 2**20
"""Bytes of features."""


def prepare(
    config: DataConfig,
    preparation: PreparationConfig,
    session: Session,
    *,
    progress: Progress | None = None,
) -> Prepared:
    """Read, split and measure data in Spark and move it to Ray.

    A session keeps what it prepared, by fingerprint: the second call returns the same data, unless
    that was lost with the machine that held it.

    Raises:
        DataError: the data cannot be read, a split is empty, or too many rows are bad.
    """
    fingerprint = data.fingerprint(config, preparation)
    progress = progress or Silent()
    if fingerprint in session.prepared and not is_whole(session.prepared[fingerprint]):
        del session.prepared[fingerprint]
        progress.note("Prepared data was lost with the machine that held it; it is prepared again.")
    if fingerprint not in session.prepared:
        if session.prepare is not None:
            session.make_room()
            session.prepared[fingerprint] = session.prepare(config, preparation)
            return session.prepared[fingerprint]
        data.download_if_missing(config.source, progress)
        began = time.perf_counter()
        progress.stage("Reading and splitting the data in Spark")
        prepare_table(
            data.read(config.source, session.spark),
            config,
            preparation,
            session,
            fingerprint=fingerprint,
            progress=progress,
            began=began,
        )
    prepared: Prepared = session.prepared[fingerprint]
    return prepared


def prepare_table(
    table: data.CanonicalFrame,
    config: DataConfig,
    preparation: PreparationConfig,
    session: Session,
    *,
    fingerprint: str | None = None,
    progress: Progress | None = None,
    began: float | None = None,
) -> Prepared:
    """Split and measure a canonical DataFrame in Spark, move it to Ray, keep it in `session.prepared`.

    Afterwards, what Spark persisted for it is released, and files that were written for it are removed.

    Args:
        table: from a source's reader or `data.from_dataframe`. Rows whose `split` is null are split
            by `config.split`. `config.source` is not read.
        fingerprint: the key in `session.prepared`; None: computed from the rows' content.
        began: when the reading began, by `time.perf_counter`; None: now.

    Raises:
        DataError: a split is empty, a class has too few rows, or too many rows are bad.
    """
    session.make_room()
    began = began or time.perf_counter()
    progress = progress or Silent()
    with data.limit_batches(table):
        prepared = _prepare(table, config, preparation, fingerprint, progress, began)
    session.prepared[prepared.fingerprint] = prepared
    return prepared


def _prepare(
    canonical: data.CanonicalFrame,
    config: DataConfig,
    preparation: PreparationConfig,
    fingerprint: str | None,
    progress: Progress,
    began: float,
) -> Prepared:
    progress.stage("Reading and splitting the data in Spark")
    # Rows that are stored already, before the split, are not stored again: a split adds no bytes.
    stored = canonical.encode is None and (
        canonical.decoded is not None or canonical.cache is not None
    )
    persisted = [] if canonical.decoded is None else [canonical.decoded]
    try:
        canonical = data.assign_splits(canonical, config.split)
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
        progress.stage("Copying the data to Ray")
        began = time.perf_counter()
        splits = convert(frame, canonical.spec, config, counts=record["rows"])
        seconds["convert"] = time.perf_counter() - began
    finally:
        for step in persisted:
            step.unpersist()
        if canonical.cache is not None:
            shutil.rmtree(canonical.cache, ignore_errors=True)
    progress.stage_done()
    num_bytes = sum(split.num_rows for split in splits.values()) * canonical.spec.num_bytes
    fingerprint = fingerprint or data.content_fingerprint(record["content"], canonical, preparation)
    record |= {"seconds": seconds, "bytes": num_bytes, "fingerprint": fingerprint}
    counts = record.get("class_counts", {}).get("train")
    return Prepared(
        splits=splits,
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


def convert(
    frame: DataFrame, spec: TensorSpec, config: DataConfig, *, counts: dict[str, int]
) -> dict[str, Split]:
    """The canonical DataFrame as one Split per value of its `split` column.

    Up to `config.resident_bytes` they are arrays, in the order of the rows' keys; above, Datasets.

    Args:
        frame: columns features (binary), label, split (string), key (string), and where the data
            has them length and weight.
        counts: rows of each split.

    Raises:
        DataError: Spark gave other rows than it counted, or Spark and Ray have no disk in common.
    """
    num_bytes = sum(counts.values()) * spec.num_bytes
    names = [name for name in SPLITS if counts.get(name)]
    frame = frame.select(*(c for c in (*COLUMNS, "split", "key") if c in frame.columns))
    frame = _merge_small_partitions(frame, num_bytes)
    with transfer.export_shards(frame, num_bytes, spec.num_bytes) as shards:
        for name in names:
            arrived = sum(shard.rows for shard in shards if shard.split == name)
            if arrived != counts[name]:
                raise DataError(
                    f"Spark counted {counts[name]:,} rows of the {name} split and then gave "
                    f"{arrived:,}: the source changed while it was read, or gives other rows each "
                    "time. Store it as Parquet first, and use that."
                )
        if num_bytes <= config.resident_bytes:
            arrays = transfer.load_arrays(shards, names, spec)
            return {
                name: Split(name=name, num_rows=counts[name], spec=spec, arrays=ref)
                for name, ref in zip(names, arrays, strict=True)
            }
        return {
            name: Split(
                name=name,
                num_rows=counts[name],
                spec=spec,
                dataset=transfer.load_dataset([shard for shard in shards if shard.split == name]),
            )
            for name in names
        }


def _merge_small_partitions(frame: DataFrame, num_bytes: int) -> DataFrame:
    """Fewer partitions where Spark made many small ones: each costs a task in Spark and in Ray."""
    enough = max(2, math.ceil(num_bytes / _FULL_PARTITION))
    return frame.coalesce(enough) if frame.rdd.getNumPartitions() > 4 * enough else frame
