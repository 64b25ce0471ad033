"""From Spark to Ray: files that Spark's tasks write and Ray's tasks map.

RayDP's own `ray.data.from_spark` keeps the rows as Arrow bytes in the executors' heap, and copies
each partition there once more when it is fetched; its fetch task also leaves its process unable to
start actors. Here each task's Python worker writes the Arrow batches that it is sent to a file,
in memory where there is room, and a Ray task on the same machine maps it: no heap holds the rows,
and any Spark will do. benchmarks/bridge.py has the two side by side.

A task that Spark runs again writes files of its own, and only what succeeded is read.
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
from workbench.bridge.arrays import Arrays, gather, read_piece
from workbench.bridge.spark_writer import SCHEMA, Piece, new_name, remove, sweep_up, write_pieces
from workbench.data.batches import batches_of
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOLDER = "spark.workbench.exchange"
"""Setting of the Spark session: a folder that Spark's executors and Ray's workers all reach, where
they are not on the same machines."""


@contextmanager
def pieces(frame: DataFrame, num_bytes: int, row_bytes: int) -> Iterator[list[Piece]]:
    """The rows of a canonical frame in files, until the block ends.

    Args:
        frame: canonical columns and `split`.
        num_bytes: of all rows.
        row_bytes: of the largest row.

    Raises:
        DataError: Spark's executors are elsewhere, and no folder that Ray reaches is named.
    """
    context = frame.sparkSession.sparkContext
    named: Any = context.getConf().get(FOLDER)
    if named is None and not context.master.startswith(("local", "ray")):
        raise DataError(
            f"Spark runs at {context.master}, and hands data to Ray through a folder that both reach. "
            f"Name one, such as a shared disk, in the Spark setting {FOLDER}."
        )
    sweep_up()
    name = new_name()
    folder = name if named is None else str(Path(named.removeprefix("file://")) / name)
    write = functools.partial(
        write_pieces, folder=folder, num_bytes=num_bytes, shared=named is not None
    )
    try:
        with batches_of(frame.sparkSession, row_bytes):
            rows = frame.mapInArrow(write, SCHEMA).collect()
        yield [Piece(**row.asDict()) for row in rows]
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, DataError):
            raise error.cause from None
        raise DataError(f"The data could not be handed from Spark to Ray: {error}") from error
    except ray.exceptions.RayError as error:
        raise DataError(f"The data could not be handed from Spark to Ray: {error}") from error
    finally:
        if named is not None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            remove(name)
            elsewhere = _nodes_by_host().keys() - {socket.gethostname()}
            for node in (_nodes_by_host()[host] for host in elsewhere):
                _on(node, remove).remote(name)


def to_arrays(
    found: Sequence[Piece], names: Sequence[str], spec: TensorSpec
) -> list[ray.ObjectRef[Arrays]]:
    """The arrays of each named split, in the object store of the node that has most of the files."""
    nodes = _nodes(found)
    home = max(nodes, key=lambda node: sum(piece.rows for piece in nodes[node]))
    # The task opens what its own node has; the rest comes through the object store.
    blocks: dict[str, Any] = {piece.path: piece.path for piece in nodes[home]}
    for node, held in nodes.items():
        if node != home:
            blocks |= {piece.path: _on(node, read_piece).remote(piece.path) for piece in held}
    wanted = [piece for name in names for piece in found if piece.split == name]
    counts = [sum(piece.split == name for piece in wanted) for name in names]
    # One value more than splits: Ray takes a generator of a single one for a stream.
    task = _on(home, gather, num_returns=len(names) + 1)
    *refs, done = task.remote(counts, spec, *(blocks[piece.path] for piece in wanted))
    ray.get(done)
    return refs


def to_dataset(found: Sequence[Piece]) -> ray.data.Dataset:
    """The rows as a Dataset in Ray's object store, a block for each file."""
    refs = [
        _on(node, read_piece, num_cpus=0.5).remote(piece.path)
        for node, held in _nodes(found).items()
        for piece in held
    ]
    ray.wait(refs, num_returns=len(refs), fetch_local=False)
    return ray.data.from_arrow_refs(refs)


def _nodes(found: Sequence[Piece]) -> dict[str, list[Piece]]:
    """The pieces by the id of a Ray node that can open them."""
    by_host = _nodes_by_host()
    nodes: dict[str, list[Piece]] = {}
    for piece in found:
        if piece.host not in by_host:
            raise DataError(
                f"Spark wrote rows on {piece.host}, where no Ray node runs (Ray has "
                f"{', '.join(sorted(filter(None, by_host)))}). Name a folder that all of them reach "
                f"in the Spark setting {FOLDER}."
            )
        nodes.setdefault(by_host[piece.host], []).append(piece)
    return nodes


def _nodes_by_host() -> dict[str, str]:
    """Name of each machine to the id of a Ray node there; of this process's own under "" too."""
    here = ray.get_runtime_context().get_node_id()
    found = {"": here}
    for node in ray.nodes():
        host = node["NodeManagerHostname"]
        if node["Alive"] and (host not in found or node["NodeID"] == here):
            found[host] = node["NodeID"]
    return found


def _on(node: str, function: Any, **options: Any) -> Any:
    """A Ray task on a node. It copies bytes and waits for nobody, so it needs no CPU of its own."""
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return _remote(function).options(
        **{"num_cpus": 0, "max_retries": 2, "scheduling_strategy": where} | options
    )


@functools.cache
def _remote(function: Any) -> Any:
    return ray.remote(function)
