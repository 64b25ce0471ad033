"""Errors of Spark's jobs in words, for those that a person can do something about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import DataError

_GONE = re.compile(r"FileNotFoundException:\s*(?:File )?(\S.*?)(?: does not exist| \(No such file)")
_HOST = re.compile(r"\(TID \d+\) \((\S+) executor \S+\)")
_CAUSE = re.compile(r"(?:Caused by: |^)([\w.$]+(?:Error|Exception)): *(.+)", re.MULTILINE)


@contextmanager
def explain_files() -> Iterator[None]:
    """Name the file where a job in the block fails because an executor does not see it.

    Raises:
        DataError: names the machine too.
    """
    from py4j.protocol import Py4JJavaError

    try:
        yield
    except Py4JJavaError as error:
        gone, host = _GONE.search(str(error)), _HOST.search(str(error))
        if gone is None:
            raise
        raise DataError(
            f"{gone[1]} is not there for Spark's executor on {host[1] if host else 'its machine'}. Files must "
            "lie where all machines of the cluster reach them under the same path: a shared folder, "
            "HDFS or a bucket. If it was removed while it was read, start again."
        ) from error


@contextmanager
def explain_all() -> Iterator[None]:
    """Give the cause of any job that fails in the block: PySpark's exception holds an object of the
    JVM, so that it cannot leave its process.

    Raises:
        DataError: with the first cause.
    """
    from py4j.protocol import Py4JJavaError

    try:
        yield
    except Py4JJavaError as error:
        text = str(error)
        causes = _CAUSE.findall(text)
        kind, said = causes[-1] if causes else ("", text.strip().splitlines()[0])
        kind = kind.rpartition(".")[2]
        raise DataError(
            f"Spark's job failed: {kind}{': ' if kind else ''}{said.strip()}"
        ) from error
