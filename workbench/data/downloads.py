"""Well-known data sets by name: downloaded once, resumed after a break, checked, and kept.

Archives are not unpacked: readers read them as they are.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nets.config import unknown
from workbench.errors import DataError
from workbench.home import data_folder

Report = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes of the whole set."""

_TIMEOUT_S = 20.0
_IDLE_ATTEMPTS = 3
"""Attempts in a row without a new byte, after which a download ends."""
_CHUNK = 2**20


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file."""

    url: str
    size: int
    """In bytes."""
    checksum: str
    """`md5:...` or `sha256:...`, published by its authors or by libraries that ship it."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set and its files."""

    name: str
    about: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(remote.size for remote in self.files)


_FASHION = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"

DATA_SETS = {
    data_set.name: data_set
    for data_set in (
        DataSet(
            name="cifar-10",
            about="60,000 colour pictures of 32x32 in 10 classes (Krizhevsky 2009), source cifar_archive",
            files=(
                RemoteFile(
                    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                    size=170_498_071,
                    checksum="sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
                ),
            ),
        ),
        DataSet(
            name="fashion-mnist",
            about="70,000 grey pictures of 28x28 in 10 classes (Xiao et al. 2017, MIT), source idx",
            files=(
                RemoteFile(
                    url=_FASHION + "train-images-idx3-ubyte.gz",
                    size=26_421_880,
                    checksum="md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                ),
                RemoteFile(
                    url=_FASHION + "train-labels-idx1-ubyte.gz",
                    size=29_515,
                    checksum="md5:25c81989df183df01b3e8a0aad5dffbe",
                ),
                RemoteFile(
                    url=_FASHION + "t10k-images-idx3-ubyte.gz",
                    size=4_422_102,
                    checksum="md5:bef4ecab320f06d8554ea6380940ec79",
                ),
                RemoteFile(
                    url=_FASHION + "t10k-labels-idx1-ubyte.gz",
                    size=5_148,
                    checksum="md5:bb300cfdad3c16e7a12a480ee83cd310",
                ),
            ),
        ),
    )
}
"""The sets by name; a source takes the name for its path."""


def locate(name: str) -> Path:
    """The path of a set after its download: its file, or the folder of its files.

    It lies below WORKBENCH_DATA, else in the folder `data` below WORKBENCH_HOME.
    """
    folder = data_folder() / name
    files = DATA_SETS[name].files
    return folder if len(files) > 1 else folder / files[0].name


def find_missing(name: str) -> list[RemoteFile]:
    """The files of a set that are not here yet. A file that has its name has been checked."""
    folder = _folder(name)
    return [remote for remote in DATA_SETS[name].files if not (folder / remote.name).is_file()]


def fetch(name: str, report: Report | None = None) -> Path:
    """Download the missing files of a set, and return its path as `locate` does.

    An incomplete file (`NAME.part`) is resumed, also by a later process. Two processes do not
    download the same set at once. A file gets its name only when its checksum is right.

    Raises:
        DataError: there is no such set; the server cannot be reached, breaks off again and again, or
            sends other bytes.
    """
    if name not in DATA_SETS:
        raise DataError(unknown("data set", name, sorted(DATA_SETS)))
    folder = _folder(name)
    if find_missing(name):
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            missing = find_missing(name)
            here = DATA_SETS[name].size - sum(remote.size for remote in missing)
            for remote in missing:
                _fetch(remote, folder, _report_from(here, DATA_SETS[name].size, report))
                here += remote.size
    return locate(name)


def check_server(name: str) -> None:
    """Check that a set is here or its server answers, before anything else is started.

    Raises:
        DataError: the set is not here, and the server does not answer.
    """
    for remote in find_missing(name)[:1]:
        try:
            request = urllib.request.Request(remote.url, method="HEAD")
            urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(remote, _folder(name), error) from None


def _folder(name: str) -> Path:
    path = locate(name)
    return path if len(DATA_SETS[name].files) > 1 else path.parent


def _report_from(here: int, size: int, report: Report | None) -> Callable[[int], None]:
    """Reports the progress of a file as progress of its set, `here` bytes of which are there already."""

    def report_set(done: int) -> None:
        if report is not None:
            report(here + done, size)

    return report_set


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(remote: RemoteFile, folder: Path, report: Callable[[int], None]) -> None:
    part = folder / f"{remote.name}.part"
    idle = 0
    while (before := part.stat().st_size if part.exists() else 0) < remote.size:
        error: Exception = OSError("the connection broke off")
        try:
            _continue(remote, part, before, report)
        except (OSError, http.client.HTTPException) as raised:
            error = raised
        after = part.stat().st_size if part.exists() else 0
        idle = 0 if after > before else idle + 1
        refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
        if after < remote.size and (refused or idle == _IDLE_ATTEMPTS):
            raise _unreachable(remote, folder, error) from None
    _check(remote, part)
    part.replace(folder / remote.name)


def _continue(remote: RemoteFile, part: Path, before: int, report: Callable[[int], None]) -> None:
    """Append the missing bytes; start again where the server does not support ranges."""
    headers = {"Range": f"bytes={before}-"} if before else {}
    request = urllib.request.Request(remote.url, headers=headers)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:
        resumed = reply.status == 206 and _starts_at(reply, before)
        done = before if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            for chunk in _chunks(reply, remote.size - done):
                file.write(chunk)
                done += len(chunk)
                report(done)


def _starts_at(reply: Any, before: int) -> bool:
    return str(reply.headers.get("Content-Range", "")).startswith(f"bytes {before}-")


def _chunks(reply: IO[bytes], most: int) -> Iterator[bytes]:
    """The reply's bytes, at most one more than expected: the check then refuses the file."""
    left = most + 1
    while left > 0 and (chunk := reply.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk


def _check(remote: RemoteFile, part: Path) -> None:
    """Compare size and checksum, and remove the file if they differ.

    Raises:
        DataError: they differ.
    """
    method, _, expected = remote.checksum.partition(":")
    size = part.stat().st_size
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(method, usedforsecurity=False))
    if size != remote.size or digest.hexdigest() != expected:
        part.unlink()
        raise DataError(
            f"{remote.url} gave {size:,} bytes with {method} {digest.hexdigest()}, and {remote.name} has "
            f"{remote.size:,} with {expected}. A proxy or login page may stand between; get the file "
            "another way and name its place with --set data.source.path=PATH."
        )


def _unreachable(remote: RemoteFile, folder: Path, error: Exception) -> DataError:
    return DataError(
        f"{remote.name} ({remote.size:,} bytes) is not here and {remote.url} cannot be read ({error}). "
        f"Without a network, put the file into {folder}, or name its place with "
        "--set data.source.path=PATH. The part that has arrived is kept, and the download resumes there."
    )
