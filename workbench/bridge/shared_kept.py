"""What is kept in `cluster.storage`: list, remove, prune."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType

from workbench.bridge import kept
from workbench.bridge.shards import SharedDescription
from workbench.bridge.shared import FOLDER, read_shared_description
from workbench.bridge.storage import open_or_explain
from workbench.bridge.store import DESCRIPTION
from workbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class SharedKept:
    """A whole store in `cluster.storage`."""

    name: str
    """Its folder: the fingerprint, and the version of the program that wrote it."""
    path: str
    description: SharedDescription
    num_bytes: int
    written: float
    """Seconds since the epoch."""

    @property
    def is_current(self) -> bool:
        """Whether this version of the program wrote it; no other version reads it."""
        return self.description.code == kept.code_digest()


def list_shared(storage: str) -> list[SharedKept]:
    """The stores in a folder or URL, the latest written first.

    Raises:
        DataError: it cannot be reached.
    """
    files, root = open_or_explain(storage)
    stores = _read_stores(files, f"{root.rstrip('/')}/{FOLDER}")
    return sorted(stores, key=lambda store: -store.written)


def remove_shared(storage: str, name: str) -> SharedKept:
    """Remove a store, named by its fingerprint or the first letters of it.

    Which machines read it is not known here: a training that does ends with a message that names
    what is gone.

    Raises:
        DataError: there is none of this name, or several; or the storage cannot be reached.
    """
    stores = {store.name: store for store in list_shared(storage)}
    chosen = stores[kept.find_name(name, stores, "the prepared data in cluster.storage")]
    _delete(storage, chosen)
    return chosen


def prune_shared(storage: str, max_bytes: int) -> list[SharedKept]:
    """Remove stores until the rest is within the bound: those that this version of the program does
    not read first, then the oldest.

    Returns:
        What was removed.

    Raises:
        DataError: the storage cannot be reached.
    """
    stores = list_shared(storage)
    total, removed = sum(store.num_bytes for store in stores), []
    for store in sorted(stores, key=lambda store: (store.is_current, store.written)):
        if total <= max_bytes:
            break
        _delete(storage, store)
        total -= store.num_bytes
        removed.append(store)
    return removed


def _delete(storage: str, store: SharedKept) -> None:
    files, _ = open_or_explain(storage)
    try:
        files.delete_file(f"{store.path}/{DESCRIPTION}")  # first: the rest is no store any more
        files.delete_dir(store.path)
    except OSError as error:
        raise DataError(f"{store.name} in cluster.storage cannot be removed: {error}") from error


def _read_stores(files: FileSystem, folder: str) -> Iterator[SharedKept]:
    for facts in _list(files, FileSelector(folder, allow_not_found=True)):
        if facts.type is not FileType.Directory:
            continue
        if (description := read_shared_description(files, facts.path)) is None:
            continue
        inner = _list(files, FileSelector(facts.path, recursive=True))
        written = next(entry.mtime_ns for entry in inner if entry.base_name == DESCRIPTION)
        yield SharedKept(
            name=facts.base_name,
            path=facts.path,
            description=description,
            num_bytes=sum(entry.size or 0 for entry in inner),
            written=written / 1e9,
        )


def _list(files: FileSystem, selector: FileSelector) -> list[FileInfo]:
    try:
        found: list[FileInfo] = files.get_file_info(selector)
    except OSError as error:
        raise DataError(f"cluster.storage cannot be listed: {error}") from error
    return found
