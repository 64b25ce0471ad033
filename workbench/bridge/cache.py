"""Shards of shared prepared data on this machine: fetched once for all its processes, within a bound.

cache/<id>/train-000000-<attempt>.arrow

A shard gets its name when it is whole and its checksum was right. A process that reads one holds a lock
on it. Where room is needed the least recently used shard goes first, never one that is in use.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from workbench.bridge.kept import read_bound
from workbench.bridge.shards import StoredShard, read_labels
from workbench.bridge.storage import open_or_explain
from workbench.errors import DataError
from workbench.home import cache_folder

if TYPE_CHECKING:
    from nets.spec import TensorSpec

BOUND = "WORKBENCH_CACHE_GB"
"""Environment variable: gigabytes that the cache of a machine takes."""

_DISK_SHARE = 0.25
"""Without BOUND: of the disk."""

_CHECKED = 946_684_800
"""The time of change (seconds) of a file whose checksum was right. Whoever writes to it changes that."""

_CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True, kw_only=True)
class SharedOrigin:
    """A preparation in a place that all machines reach."""

    fingerprint: str
    address: str
    """The folder or URL; it may hold a password, so nothing shows it."""
    path: str
    """Of the preparation's folder, in the file system of `address`."""
    id: str

    @property
    def folder(self) -> Path:
        """What this machine keeps of it."""
        return cache_folder() / self.id

    def __repr__(self) -> str:
        return f"SharedOrigin({self.path!r})"


class HeldShard:
    """A shard on this machine, which is not removed until it is closed."""

    def __init__(self, path: Path, *, fetched: bool) -> None:
        self.path, self.fetched = path, fetched
        self._lock: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let it be removed; what is mapped stays usable."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __del__(self) -> None:
        self.close()


def hold_shard(origin: SharedOrigin, shard: StoredShard) -> HeldShard:
    """A shard on this machine, fetched if it is not here yet. One process fetches, the others wait.

    Raises:
        DataError: it is gone or damaged where it was written, or this disk is full.
    """
    path = origin.folder / shard.name.replace("/", "-")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(path):
        fetched = not _is_whole(path, shard)
        if fetched:
            _fetch(origin, shard, path)
        os.utime(path, (time.time(), _CHECKED))
        return HeldShard(path, fetched=fetched)


def fetch_labels(origin: SharedOrigin, shard: StoredShard, spec: TensorSpec) -> np.ndarray:
    """The labels of a shard from where it was written; nothing else of it is fetched or kept.

    Raises:
        DataError: it is gone or damaged there.
    """
    files, _ = open_or_explain(origin.address)
    try:
        labels = read_labels(files, f"{origin.path}/{shard.name}", spec)
    except pa.ArrowInvalid as error:
        raise _explain_damage(origin, shard) from error
    except OSError as error:
        raise _explain_unreadable(origin, shard, error) from error
    counts = shard.class_counts
    if counts is not None and tuple(np.bincount(labels).tolist()) != counts:
        raise _explain_damage(origin, shard)
    return labels


def bound_bytes() -> int:
    """How many bytes the cache of this machine may take.

    Raises:
        DataError: WORKBENCH_CACHE_GB is not a number >= 0.
    """
    return read_bound(BOUND, cache_folder(), _DISK_SHARE)


def used_bytes() -> int:
    """Bytes of all shards in the cache, those that are being fetched included."""
    with _lock_sizes():
        return sum(size for _, size, _ in _list_files())


def _is_whole(path: Path, shard: StoredShard) -> bool:
    try:
        facts = path.stat()
        if facts.st_size != shard.num_bytes:
            return False
        return facts.st_mtime == _CHECKED or _sum_up(path) == shard.crc
    except FileNotFoundError:
        return False


def _sum_up(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            crc = zlib.crc32(chunk, crc)
    return crc


def _fetch(origin: SharedOrigin, shard: StoredShard, path: Path) -> None:
    with _reserve(path, shard.num_bytes) as part:
        for _ in range(2):
            if _copy(origin, shard, part) == (shard.num_bytes, shard.crc):
                os.utime(part, (time.time(), _CHECKED))
                with _lock_sizes():  # who counts meanwhile would see both names
                    os.rename(part, path)
                return
    raise _explain_damage(origin, shard)


def _copy(origin: SharedOrigin, shard: StoredShard, part: Path) -> tuple[int, int]:
    """Copy the file here; returns its size and checksum."""
    files, _ = open_or_explain(origin.address)
    crc = size = 0
    try:
        with (
            files.open_input_stream(f"{origin.path}/{shard.name}") as source,
            part.open("r+b") as out,
        ):
            while chunk := source.read(_CHUNK_BYTES):
                crc, size = zlib.crc32(chunk, crc), size + len(chunk)
                out.write(chunk)
            out.truncate()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"The disk of {part.parent} is full, and prepared data is kept there as it is read. "
                f"Free some, lower {BOUND}, or name a folder on another disk in WORKBENCH_CACHE."
            ) from error
        raise _explain_unreadable(origin, shard, error) from error
    return size, crc


def _explain_damage(origin: SharedOrigin, shard: StoredShard) -> DataError:
    folder = origin.path.rpartition("/")[0]
    return DataError(
        f"{origin.path}/{shard.name} of the prepared data in cluster.storage is damaged: it has other "
        f"bytes than were written. Remove {folder}, and the data is prepared again."
    )


def _explain_unreadable(origin: SharedOrigin, shard: StoredShard, error: OSError) -> DataError:
    return DataError(
        f"{origin.path}/{shard.name} of the prepared data in cluster.storage cannot be read: "
        f"{type(error).__name__}. If it was removed, start the command again: the data is prepared "
        "again."
    )


@contextmanager
def _lock(path: Path, flags: int = fcntl.LOCK_EX) -> Iterator[Path]:
    """One process at a time brings or removes a shard; gives the lock file."""
    name = path.with_name(f".{path.name.lstrip('.')}.lock")
    while True:
        current = False
        with name.open("w") as file:
            fcntl.flock(file, flags)
            # Who removes a shard removes this file too: then others wait for a file without a name.
            with suppress(FileNotFoundError):
                current = os.path.samestat(name.stat(), os.fstat(file.fileno()))
            if current:
                yield name
                return


@contextmanager
def _lock_sizes() -> Iterator[None]:
    """One process at a time counts, reserves and names shards."""
    cache_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (cache_folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _reserve(path: Path, num_bytes: int) -> Iterator[Path]:
    """An unfinished file of that size, which counts at once, so that several processes together keep
    within the bound."""
    part = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    with _lock_sizes():
        _make_room(num_bytes)
        file = part.open("wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(num_bytes)
    try:
        yield part
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
        file.close()


def _make_room(num_bytes: int) -> None:
    """Remove what was used longest ago, until so many bytes more are within the bound."""
    bound, files = bound_bytes(), _list_files()
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total + num_bytes <= bound:
            return
        if _remove(path):
            total -= size


def _list_files() -> list[tuple[float, int, Path]]:
    """When it was last used, its size, and its path: of each shard, whole or not."""
    found = []
    for path in cache_folder().glob("*/*.arrow*"):
        with suppress(FileNotFoundError):
            facts = path.stat()
            if path.suffix != ".lock":
                found.append((facts.st_atime, facts.st_size, path))
    return found


def _remove(path: Path) -> bool:
    """Remove a shard that no process holds, or what a killed process left of one."""
    try:
        with _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as lock, path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            lock.unlink()
    except OSError:
        return False
    return True
