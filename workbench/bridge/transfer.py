"""From Spark to the machine of this process: files that Spark's tasks write and this process maps.

RayDP's own `ray.data.from_spark` keeps the rows as Arrow bytes in the executors' heap, and copies
each partition there once more when it is fetched; its fetch task also leaves its process unable to
start actors. Here the Python worker of each Spark task writes its Arrow batches to a file, in
memory where there is room. Files of other machines come through Ray, one at a time. No heap holds the
rows, and any Spark will do. benchmarks/bridge.py measures both ways.

A task that Spark runs again writes files of its own; only those of the successful attempt are read.
"""

from __future__ import annotations

import functools
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.bridge.arrays import read_shard
from workbench.bridge.spark_writer import (
    SCHEMA,
    Shard,
    create_folder_name,
    remove_folder,
    remove_leftovers,
    write_shards,
)
from workbench.data.batches import limit_batch_bytes
from workbench.errors import DataError
from workbench.spark_session import EXCHANGE, get_setting

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@contextmanager
def export_shards(frame: DataFrame, num_bytes: int, row_bytes: int) -> Iterator[list[Shard]]:
    """Have Spark write the rows of a canonical frame to files, which are removed after the block.

    Args:
        frame: canonical columns and `split`.
        num_bytes: of all rows.
        row_bytes: of the largest row.

    Raises:
        DataError: Spark's executors are on other machines, and EXCHANGE names no folder that this
            process reaches too.
    """
    spark = frame.sparkSession
    named = get_setting(spark, EXCHANGE)
    master = get_setting(spark, "spark.master") or "local"  # a server of Spark Connect may not say
    if named is None and not master.startswith(("local", "ray")):
        raise DataError(
            f"Spark runs at {master}, and data comes from it through a folder that both reach. Name "
            f"one, such as a shared disk, in the Spark setting {EXCHANGE}."
        )
    remove_leftovers()
    name = create_folder_name()
    folder = name if named is None else str(Path(named.removeprefix("file://")) / name)
    write = functools.partial(
        write_shards, folder=folder, num_bytes=num_bytes, shared=named is not None
    )
    shards: list[Shard] = []
    try:
        with limit_batch_bytes(spark, row_bytes):
            rows = frame.mapInArrow(write, SCHEMA).collect()
        shards = [Shard(**row.asDict()) for row in rows]
        yield shards
    finally:
        if named is not None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            remove_folder(name)
            for node in _find_nodes(shards).values():
                _task_on(node, remove_folder).remote(name)


def open_shards(shards: Sequence[Shard]) -> Iterator[pa.Table | str]:
    """Each shard as the path of a file on this machine, or as a table that came from another one.

    Raises:
        DataError: no Ray node runs on the machine that has it, or it does not answer.
    """
    nodes = _find_nodes(shards)
    for shard in shards:
        if shard.host not in nodes:
            yield shard.path
            continue
        import ray

        try:
            yield ray.get(_task_on(nodes[shard.host], read_shard).remote(shard.path))
        except ray.exceptions.RayError as error:
            raise DataError(
                f"The rows that Spark wrote on {shard.host} could not be copied: {error}"
            ) from error


def _find_nodes(shards: Sequence[Shard]) -> dict[str, str]:
    """Name of each other machine that has shards to the id of a Ray node there."""
    others = {shard.host for shard in shards} - {"", socket.gethostname()}
    if not others:
        return {}
    import ray

    nodes = {
        node["NodeManagerHostname"]: node["NodeID"]
        for node in (ray.nodes() if ray.is_initialized() else [])
        if node["Alive"]
    }
    if missing := others - nodes.keys():
        raise DataError(
            f"Spark wrote rows on {', '.join(sorted(missing))}, where no Ray node runs (Ray has "
            f"{', '.join(sorted(nodes))}). Name a folder that all of them reach in the Spark setting "
            f"{EXCHANGE}."
        )
    return {host: nodes[host] for host in others}


def _task_on(node: str, function: Any) -> Any:
    """A Ray task on a node. It only copies bytes, so it reserves no CPU."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return _remote(function).options(num_cpus=0, max_retries=2, scheduling_strategy=where)


@functools.cache
def _remote(function: Any) -> Any:
    import ray

    return ray.remote(function)
