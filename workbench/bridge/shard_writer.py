"""Spark's part in writing shards: rows are sent to the task that writes their shard.

`write_task` runs in Spark's Python workers: no Ray and no torch here. A task holds one shard at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from workbench.bridge.shards import RANK_DIGITS, write_shard
from workbench.bridge.storage import open_or_explain

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from nets.spec import TensorSpec

SHARDS_SCHEMA = (
    "split string, name string, rows long, num_bytes long, crc long, class_counts array<long>"
)

_SHARD = "_shard"
_RANK = "_rank"


def number_shards(frame: DataFrame, num_shards: Mapping[str, int]) -> DataFrame:
    """The rows with the number of their shard in their split, shard after shard.

    Which rows a shard has, and in which order, depends on their keys alone; see `shards.rank_key`.

    Args:
        frame: canonical columns, split and key.
        num_shards: of each split.
    """
    from pyspark.sql import functions as F

    digest = F.md5(F.concat(F.lit("shard "), F.col("key")))
    rank = F.conv(F.substring(digest, 1, RANK_DIGITS), 16, 10).cast("long")
    count = F.lit(1)
    for name, number in num_shards.items():
        count = F.when(F.col("split") == name, F.lit(number)).otherwise(count)
    numbered = frame.withColumn(_RANK, rank).withColumn(_SHARD, F.col(_RANK) % count)
    spread = numbered.repartition(sum(num_shards.values()), "split", _SHARD)
    return spread.sortWithinPartitions("split", _SHARD, _RANK, "key").drop(_RANK)


def write_task(
    batches: Iterator[pa.RecordBatch], *, address: str, folder: str, spec: TensorSpec
) -> Iterator[pa.RecordBatch]:
    """Write a task's shards, and yield them as rows of `SHARDS_SCHEMA`.

    Args:
        batches: rows of `number_shards`.
        address: of the storage.
        folder: of the preparation, in the storage's file system.
    """
    files, _ = open_or_explain(address)
    for split, number, table in _join(batches):
        shard = write_shard(files, folder, split, number, table, spec)
        yield pa.RecordBatch.from_pylist([{"split": split, **asdict(shard)}])


def _join(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, int, pa.Table]]:
    """The rows of each shard, which follow each other: (split, number, rows)."""
    shard: tuple[str, int] | None = None
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        for own, rows in _cut(batch):
            if shard is not None and own != shard:
                yield (*shard, pa.Table.from_batches(pending))
                pending = []
            shard = own
            pending.append(rows)
    if shard is not None:
        yield (*shard, pa.Table.from_batches(pending))


def _cut(batch: pa.RecordBatch) -> Iterator[tuple[tuple[str, int], pa.RecordBatch]]:
    """The parts of a batch that belong to one shard each, without the columns that say which."""
    splits, numbers = batch.column("split"), batch.column(_SHARD)
    plain = batch.drop_columns(["split", _SHARD])
    start = 0
    while start < batch.num_rows:
        own = splits[start].as_py(), numbers[start].as_py()
        same = pc.and_(
            pc.equal(splits.slice(start), own[0]), pc.equal(numbers.slice(start), own[1])
        )
        end = pc.index(same, value=False).as_py()
        stop = batch.num_rows if end < 0 else start + end
        yield own, plain.slice(start, stop - start)
        start = stop
