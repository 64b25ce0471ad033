"""The prepared stores of this machine: found again, listed, removed, and kept within a bound.

A store that a process reads is locked by it and is not removed. The least recently used one goes first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workbench.bridge.store import DESCRIPTION, Description, find_damage, read_description
from workbench.errors import DataError
from workbench.home import prepared_folder

BOUND = "WORKBENCH_PREPARED_GB"
"""Environment variable: gigabytes of prepared data that are kept."""

_DISK_SHARE = 0.25
"""Without BOUND: of the disk."""

_FRESH_S = 600.0
"""A store that was used within this time is not removed to make room: a training may be about to open it."""

_ROOT = Path(__file__).parents[2]
_CODE = ("workbench/data", "workbench/bridge", "nets/text.py", "nets/spec.py", "nets/statistics.py")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A store on this machine."""

    folder: Path
    description: Description
    num_bytes: int
    """On the disk."""
    used: float
    """When it was last used; seconds since the epoch."""
    in_use: bool
    """Whether a process reads it now."""


@cache
def code_digest() -> str:
    """Digest of the program files that decide what a source's rows become; 16 hex digits."""
    digest = hashlib.sha256()
    for name in _CODE:
        path = _ROOT / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(f"{file.relative_to(_ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def find(fingerprint: str) -> tuple[Path, Description] | None:
    """A whole store that this program wrote, marked as used now; None where there is none.

    One that another version of the program wrote, or whose files have changed since, is removed.
    """
    folder = prepared_folder() / fingerprint
    description = read_description(folder)
    if description is None:
        return None
    if description.code != code_digest():
        remove_folder(folder)
        return None
    return (folder, description) if mark_used(folder, description) else None


def mark_used(folder: Path, description: Description) -> bool:
    """Mark a store as used now, whichever version of the program wrote it.

    Returns:
        Whether its files are as they were written. Otherwise it is removed.
    """
    if _was_changed(folder, description):
        remove_folder(folder)
        return False
    with suppress(OSError):
        os.utime(folder / DESCRIPTION)
    return True


def list_kept() -> list[Kept]:
    """All whole stores, the most recently used first."""
    kept = []
    for path in prepared_folder().glob(f"*/{DESCRIPTION}"):
        description = read_description(path.parent)
        if description is None or path.parent.name.startswith("."):
            continue
        size = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
        kept.append(
            Kept(
                folder=path.parent,
                description=description,
                num_bytes=size,
                used=path.stat().st_mtime,
                in_use=not _try_lock(path),
            )
        )
    return sorted(kept, key=lambda store: -store.used)


def remove(fingerprint: str) -> Kept:
    """Remove a store, named by its fingerprint or the first letters of it.

    Raises:
        DataError: there is none of this name, or several; or a process reads it.
    """
    stores = {kept.folder.name: kept for kept in list_kept()}
    chosen = stores[find_name(fingerprint, stores, "the prepared data")]
    if chosen.in_use:
        raise DataError(
            f"The prepared data {chosen.folder.name} is in use by a training. Remove it when that "
            "has ended."
        )
    remove_folder(chosen.folder)
    return chosen


def find_name(beginning: str, names: Collection[str], where: str) -> str:
    """The one name that begins so, or is it.

    Raises:
        DataError: there is none, or several.
    """
    found = [name for name in names if name.startswith(beginning)]
    if len(found) == 1 or beginning in found:
        return beginning if beginning in found else found[0]
    shown = ", ".join(sorted(found or names)) or "nothing"
    what = "names several of" if found else "is not among"
    raise DataError(f"{beginning!r} {what} {where}: {shown}. `workbench data list` shows it.")


def prune(
    max_bytes: int | None = None, *, spare: str = "", fresh_s: float = _FRESH_S
) -> list[Kept]:
    """Remove stores until the rest is within the bound, the least recently used first.

    Args:
        max_bytes: None: WORKBENCH_PREPARED_GB, or a quarter of the disk.
        spare: the fingerprint of one that stays.
        fresh_s: stores that were used within this time stay.

    Returns:
        What was removed.
    """
    bound = bound_bytes() if max_bytes is None else max_bytes
    stores = list_kept()
    total, removed = sum(kept.num_bytes for kept in stores), []
    for kept in reversed(stores):
        if total <= bound:
            break
        fresh = time.time() - kept.used < fresh_s
        if kept.in_use or fresh or kept.folder.name == spare:
            continue
        remove_folder(kept.folder)
        total -= kept.num_bytes
        removed.append(kept)
    _remove_leftovers()
    return removed


def bound_bytes() -> int:
    """How many bytes of prepared data are kept.

    Raises:
        DataError: WORKBENCH_PREPARED_GB is not a number >= 0.
    """
    return read_bound(BOUND, prepared_folder(), _DISK_SHARE)


def read_bound(variable: str, folder: Path, disk_share: float) -> int:
    """Bytes that a folder may take: the gigabytes that an environment variable names, else a share of
    its disk.

    Raises:
        DataError: the variable is not a number >= 0.
    """
    named = os.environ.get(variable)
    if not named:
        while not folder.exists():
            folder = folder.parent
        return int(shutil.disk_usage(folder).total * disk_share)
    try:
        gigabytes = float(named)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < float("inf"):
        raise DataError(
            f"{variable} must be a number of gigabytes >= 0, such as 50, got {named!r}."
        )
    return int(gigabytes * 1e9)


def remove_folder(folder: Path) -> None:
    """Remove a store at once: what is left of it is no store any more."""
    with suppress(OSError):
        (folder / DESCRIPTION).unlink()
    shutil.rmtree(folder, ignore_errors=True)


def lock_for_reading(folder: Path) -> int:
    """Keep a store from being removed; returns a file descriptor, whose closing ends that.

    Raises:
        OSError: there is no store.
    """
    descriptor = os.open(folder / DESCRIPTION, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


@contextmanager
def lock_preparation(fingerprint: str, waits: Callable[[], None]) -> Iterator[None]:
    """One process at a time prepares the same data.

    Args:
        waits: called where another process is at it.
    """
    folder = prepared_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / f".{fingerprint}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def new_part() -> Iterator[Path]:
    """An empty folder to write a store in; what is not kept by `keep` is removed at the end.

    `_remove_leftovers` knows the folder by its process.
    """
    parent = prepared_folder()
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = parent / f".part-{os.getpid()}-{time.time_ns():x}"
    part.mkdir(mode=0o700)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def keep(part: Path, fingerprint: str) -> Path:
    """Make a whole part the store of its fingerprint, in place of an older one; returns its folder."""
    target = prepared_folder() / fingerprint
    remove_folder(target)
    os.rename(part, target)
    return target


def _was_changed(folder: Path, description: Description) -> bool:
    """Whether a file is gone, or was written after the store was whole and has other bytes now."""
    finished = float(description.prepared.get("finished", 0))
    try:
        files = [
            folder / split / name for split, s in description.splits.items() for name in s.sums
        ]
        if all(file.stat().st_mtime <= finished for file in files):
            return False
    except OSError:
        return True
    return find_damage(folder, description) is not None


def _try_lock(path: Path) -> bool:
    """Whether no process reads the store."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove_leftovers() -> None:
    """Remove what killed preparations left."""
    import psutil

    for part in prepared_folder().glob(".part-*-*"):
        pid = part.name.split("-")[1]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(part, ignore_errors=True)
