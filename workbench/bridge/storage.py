"""The place that all machines of a cluster reach: a shared folder, or an object store."""

from __future__ import annotations

import functools
from pathlib import Path

from pyarrow.fs import FileSystem, LocalFileSystem

from workbench.errors import DataError


def open_storage(storage: str) -> tuple[FileSystem, str]:
    """The file system of a folder or URL (`cluster.storage`), and the path of the folder in it.

    Raises:
        OSError: the object store does not answer.
        ValueError: no file system has such URLs.
    """
    return _open(storage) if "://" in storage else (LocalFileSystem(), resolve_storage(storage))


def resolve_storage(storage: str) -> str:
    """The same place by a name that does not depend on the current folder."""
    return storage if "://" in storage else str(Path(storage).expanduser().absolute())


@functools.cache
def _open(storage: str) -> tuple[FileSystem, str]:
    files, folder = FileSystem.from_uri(storage)
    return files, str(folder)


def open_or_explain(storage: str) -> tuple[FileSystem, str]:
    """The same, where a failure is for a person.

    Raises:
        DataError: there is no such place. The message has no part of the URL, which may hold a password.
    """
    try:
        return open_storage(storage)
    except (OSError, ValueError) as error:
        raise DataError(
            f"cluster.storage cannot be reached for prepared data: {type(error).__name__}. It must be a "
            "folder that all machines share, or a URL such as s3://bucket/folder."
        ) from error
