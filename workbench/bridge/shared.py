"""Prepared stores in `cluster.storage`: written, and found again, from any machine."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from workbench.bridge import kept
from workbench.bridge.cache import SharedOrigin
from workbench.bridge.shards import SharedDescription
from workbench.bridge.storage import open_or_explain, resolve_storage
from workbench.bridge.store import DESCRIPTION
from workbench.errors import DataError

FOLDER = "prepared"

_LEFT_S = 24 * 3600.0
"""What a preparation that did not finish left is removed by the next one after this time: it may still
be under way on another machine."""


class SharedPart:
    """A preparation that is being written; without its description it does not read as data."""

    def __init__(self, address: str, fingerprint: str) -> None:
        self.address, self.id = resolve_storage(address), uuid.uuid4().hex
        self.files, root = open_or_explain(address)
        self.parent = _store_path(root, fingerprint)
        self.path = f"{self.parent}/{self.id}"
        self.is_finished = False

    def finish(self, description: SharedDescription, figures: Path) -> None:
        """Write the last files; where another preparation finished before, its store stays.

        Args:
            figures: folder with small files of the store.
        """
        for path in figures.iterdir():
            self._write(f"{self.path}/{path.name}", path.read_bytes())
        if read_shared_description(self.files, self.parent) is None:
            self._write(f"{self.parent}/{DESCRIPTION}", description.dump())
            self.is_finished = True
        _remove_leftovers(self.files, self.parent)

    def remove(self) -> None:
        """Remove what was written so far."""
        with suppress(OSError):
            self.files.delete_dir(self.path)

    def _write(self, path: str, content: bytes) -> None:
        """Write a file, which is whole or absent: an object always is."""
        target = f"{path}.part-{self.id}" if isinstance(self.files, LocalFileSystem) else path
        with self.files.open_output_stream(target) as out:
            out.write(content)
        if target != path:
            self.files.move(target, path)


@contextmanager
def new_shared_part(address: str, fingerprint: str, splits: list[str]) -> Iterator[SharedPart]:
    """A folder to write a store in; unless it is finished in the block, it is removed.

    Raises:
        DataError: `cluster.storage` cannot be reached.
    """
    part = SharedPart(address, fingerprint)
    try:
        for split in splits:
            part.files.create_dir(f"{part.path}/{split}")
        yield part
    except OSError as error:
        raise DataError(
            f"Prepared data could not be written to {part.parent} in cluster.storage: {error}"
        ) from error
    finally:
        if not part.is_finished:
            part.remove()


def find(address: str, fingerprint: str) -> tuple[SharedOrigin, SharedDescription] | None:
    """A whole store that this program wrote. One with files that are gone, or of another size, is
    removed.

    Raises:
        DataError: `cluster.storage` cannot be reached.
    """
    files, root = open_or_explain(address)
    parent = _store_path(root, fingerprint)
    description = read_shared_description(files, parent)
    if description is None:
        return None
    origin = SharedOrigin(
        fingerprint=fingerprint,
        address=resolve_storage(address),
        path=f"{parent}/{description.id}",
        id=description.id,
    )
    if not _has_all(files, origin, description):
        with suppress(OSError):
            files.delete_file(f"{parent}/{DESCRIPTION}")
        return None
    return origin, description


def is_whole(origin: SharedOrigin) -> bool:
    """Whether the store is still there.

    Raises:
        DataError: `cluster.storage` cannot be reached.
    """
    found = find(origin.address, origin.fingerprint)
    return found is not None and found[1].id == origin.id


@contextmanager
def download_figures(origin: SharedOrigin) -> Iterator[Path]:
    """A folder with the small files of a store."""
    files, _ = open_or_explain(origin.address)
    with tempfile.TemporaryDirectory() as folder:
        for facts in files.get_file_info(FileSelector(origin.path)):
            if facts.type is FileType.File:
                with files.open_input_stream(facts.path) as file:
                    (Path(folder) / facts.base_name).write_bytes(file.read())
        yield Path(folder)


def _store_path(root: str, fingerprint: str) -> str:
    return f"{root.rstrip('/')}/{FOLDER}/{fingerprint}-{kept.code_digest()[:8]}"


def read_shared_description(files: FileSystem, parent: str) -> SharedDescription | None:
    """What the store in `parent` says of itself; None where none is whole.

    Raises:
        DataError: `cluster.storage` cannot be read.
    """
    try:
        with files.open_input_stream(f"{parent}/{DESCRIPTION}") as file:
            return SharedDescription.parse(file.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{parent} in cluster.storage cannot be read: {error}") from error


def _has_all(files: FileSystem, origin: SharedOrigin, description: SharedDescription) -> bool:
    expected = {
        f"{origin.path}/{shard.name}": shard.num_bytes
        for split in description.splits.values()
        for shard in split.shards
    }
    selector = FileSelector(origin.path, recursive=True, allow_not_found=True)
    sizes = {facts.path: facts.size for facts in files.get_file_info(selector)}
    return all(sizes.get(path) == size for path, size in expected.items())


def _remove_leftovers(files: FileSystem, parent: str) -> None:
    """Remove what preparations of the same data left that did not finish."""
    description = read_shared_description(files, parent)
    with suppress(OSError):
        for facts in files.get_file_info(FileSelector(parent)):
            used = description is not None and facts.base_name == description.id
            if facts.type is not FileType.Directory or used:
                continue
            inner = files.get_file_info(FileSelector(facts.path, recursive=True))
            times = [entry.mtime_ns or 0 for entry in inner if entry.type is FileType.File]
            if time.time() - max(times, default=time.time_ns()) / 1e9 > _LEFT_S:
                files.delete_dir(facts.path)
