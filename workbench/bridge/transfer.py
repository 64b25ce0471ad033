"""From Spark to Ray: files that Spark's tasks write and Ray's tasks map.

RayDP's own `ray.data.from_spark` keeps the rows as Arrow bytes in the executors' heap, and copies
each partition there once more when it is fetched; its fetch task also leaves its process unable to
start actors. Here the Python worker of each Spark task writes its Arrow batches to a file, in
memory where there is room, and a Ray task on the same machine maps the file. No heap holds the
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

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from nets.spec import TensorSpec
from workbench.bridge.arrays import Arrays, gather_splits, read_shard
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

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOLDER = "spark.workbench.exchange"
"""Setting of the Spark session: a folder that Spark's executors and Ray's workers all reach. Needed
where they are not on the same machines."""


@contextmanager
def export_shards(frame: DataFrame, num_bytes: int, row_bytes: int) -> Iterator[list[Shard]]:
    """Have Spark write the rows of a canonical frame to files, which are removed after the block.

    Args:
        frame: canonical columns and `split`.
        num_bytes: of all rows.
        row_bytes: of the largest row.

    Raises:
        DataError: Spark's executors are on other machines, and FOLDER names no folder that Ray
            reaches too.
    """
    context = frame.sparkSession.sparkContext
    named: Any = context.getConf().get(FOLDER)
    if named is None and not context.master.startswith(("local", "ray")):
        raise DataError(
            f"Spark runs at {context.master}, and data comes to Ray through a folder that both reach. "
            f"Name one, such as a shared disk, in the Spark setting {FOLDER}."
        )
    remove_leftovers()
    name = create_folder_name()
    folder = name if named is None else str(Path(named.removeprefix("file://")) / name)
    write = functools.partial(
        write_shards, folder=folder, num_bytes=num_bytes, shared=named is not None
    )
    try:
        with limit_batch_bytes(frame.sparkSession, row_bytes):
            rows = frame.mapInArrow(write, SCHEMA).collect()
        yield [Shard(**row.asDict()) for row in rows]
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, DataError):
            raise error.cause from None
        raise DataError(f"The data could not be copied from Spark to Ray: {error}") from error
    except ray.exceptions.RayError as error:
        raise DataError(f"The data could not be copied from Spark to Ray: {error}") from error
    finally:
        if named is not None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            remove_folder(name)
            for host, node in _find_nodes().items():
                if host != socket.gethostname():
                    _task_on(node, remove_folder).remote(name)


def load_arrays(
    shards: Sequence[Shard], names: Sequence[str], spec: TensorSpec
) -> list[ray.ObjectRef[Arrays]]:
    """Arrays of each named split, in the object store of the node that has most of the rows."""
    nodes = _group_by_node(shards)
    home = max(nodes, key=lambda node: sum(shard.rows for shard in nodes[node]))
    # The task opens the shards of its own node; the others come through the object store.
    blocks: dict[str, Any] = {shard.path: shard.path for shard in nodes[home]}
    for node, own in nodes.items():
        if node != home:
            blocks |= {shard.path: _task_on(node, read_shard).remote(shard.path) for shard in own}
    in_order = [shard for name in names for shard in shards if shard.split == name]
    counts = [sum(shard.split == name for shard in in_order) for name in names]
    # One value more than splits: Ray treats a generator of one value as a stream.
    task = _task_on(home, gather_splits, num_returns=len(names) + 1)
    *refs, done = task.remote(counts, spec, *(blocks[shard.path] for shard in in_order))
    ray.get(done)
    return refs


def load_dataset(shards: Sequence[Shard]) -> ray.data.Dataset:
    """The rows as a Dataset in Ray's object store, a block for each shard."""
    refs = [
        _task_on(node, read_shard, num_cpus=0.5).remote(shard.path)
        for node, own in _group_by_node(shards).items()
        for shard in own
    ]
    ray.wait(refs, num_returns=len(refs), fetch_local=False)
    return ray.data.from_arrow_refs(refs)


def _group_by_node(shards: Sequence[Shard]) -> dict[str, list[Shard]]:
    """The shards by the id of a Ray node that can open them."""
    by_host = _find_nodes()
    nodes: dict[str, list[Shard]] = {}
    for shard in shards:
        if shard.host not in by_host:
            raise DataError(
                f"Spark wrote rows on {shard.host}, where no Ray node runs (Ray has "
                f"{', '.join(sorted(filter(None, by_host)))}). Name a folder that all of them reach "
                f"in the Spark setting {FOLDER}."
            )
        nodes.setdefault(by_host[shard.host], []).append(shard)
    return nodes


def _find_nodes() -> dict[str, str]:
    """Name of each machine to the id of a Ray node there; "" is this process's own node."""
    here = ray.get_runtime_context().get_node_id()
    nodes = {"": here}
    for node in ray.nodes():
        host = node["NodeManagerHostname"]
        if node["Alive"] and (host not in nodes or node["NodeID"] == here):
            nodes[host] = node["NodeID"]
    return nodes


def _task_on(node: str, function: Any, **options: Any) -> Any:
    """A Ray task on a node. It only copies bytes, so it reserves no CPU."""
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return _remote(function).options(
        **{"num_cpus": 0, "max_retries": 2, "scheduling_strategy": where} | options
    )


@functools.cache
def _remote(function: Any) -> Any:
    return ray.remote(function)
