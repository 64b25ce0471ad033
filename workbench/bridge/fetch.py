"""A store on another machine: found where the disk is shared, else copied through Ray, once."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.bridge import kept
from workbench.bridge.store import DESCRIPTION, read_description
from workbench.errors import DataError
from workbench.home import prepared_folder

_CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A store, as other processes find it."""

    folder: Path
    """On the machine that wrote it."""
    id: str
    """The `Description.id` of the store."""
    node: str | None
    """Id of the Ray node on that machine; None: Ray did not run there."""

    @staticmethod
    def here(folder: Path, store_id: str) -> Origin:
        """The origin of a store on this machine."""
        import ray

        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else None
        return Origin(folder=folder, id=store_id, node=node)


def fetch(origin: Origin) -> Path:
    """The folder of the store on this machine; it is copied here if it is not there yet.

    Raises:
        DataError: it is on no machine that is reached.
    """
    if _is_store(origin.folder, origin.id):
        return origin.folder
    own = prepared_folder() / origin.folder.name
    if _is_store(own, origin.id):
        return own
    with kept.lock_preparation(origin.folder.name, lambda: None):
        if not _is_store(own, origin.id):
            _copy(origin)
    return own


def _copy(origin: Origin) -> None:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    gone = (
        f"The prepared data {origin.folder} is gone, or is on a machine that {socket.gethostname()} "
        "does not reach. Start the command again: it is prepared again."
    )
    if origin.node is None or not ray.is_initialized():
        raise DataError(gone)
    send = ray.remote(num_cpus=0, max_retries=0)(_send).options(
        num_returns="streaming",
        scheduling_strategy=NodeAffinitySchedulingStrategy(origin.node, soft=False),
    )
    with kept.new_part() as part:
        try:
            for reference in send.remote(str(origin.folder), origin.id):
                name, offset, content = ray.get(reference)
                path = part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("r+b" if offset else "wb") as file:
                    file.seek(offset)
                    file.write(content)
        except RayError as error:
            raise DataError(gone) from error
        kept.keep(part, origin.folder.name)
    kept.prune(spare=origin.folder.name)


def _send(folder: str, store_id: str) -> Iterator[tuple[str, int, Any]]:
    """Every file of a store, the description last, in chunks: (name, offset, bytes)."""
    root = Path(folder)
    if not _is_store(root, store_id):
        raise FileNotFoundError(folder)
    descriptor = kept.lock_for_reading(root)
    try:
        files = [path for path in root.rglob("*") if path.is_file() and path.name != DESCRIPTION]
        for path in [*files, root / DESCRIPTION]:
            with path.open("rb") as file:
                offset = 0
                while True:
                    content = file.read(_CHUNK_BYTES)
                    if content or not offset:
                        yield str(path.relative_to(root)), offset, content
                    if not content:
                        break
                    offset += len(content)
    finally:
        os.close(descriptor)


def _is_store(folder: Path, store_id: str) -> bool:
    description = read_description(folder)
    return description is not None and description.id == store_id
