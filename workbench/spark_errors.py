"""What Spark says of a failure, in one sentence without Java."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import DataError

_CLASS = re.compile(r"^(?:[\w$]+\.)+[\w$]*(?:Exception|Error): ?|^\[[A-Z_.]+\] ")
_TRACE = re.compile(r"^\s*(at |\.\.\. \d|Driver stacktrace)")
_GONE = re.compile(r"FileNotFoundException:\s*(?:File )?(\S.*?)(?: does not exist| \(No such file)")
_HOST = re.compile(r"\(TID \d+\) \((\S+) executor \S+\)")


def describe_failure(error: BaseException) -> str:
    """The first cause that an error of Spark names: the last "Caused by", else the first line."""
    lines = [line for line in str(error).splitlines() if line.strip() and not _TRACE.match(line)]
    causes = [line.partition(": ")[2] for line in lines if line.startswith("Caused by: ")]
    text = (causes or lines or [type(error).__name__])[-1 if causes else 0].strip()
    if text.startswith("An error occurred while calling") and len(lines) > 1:
        text = lines[1].strip()
    while (shorter := _CLASS.sub("", text, count=1)) != text and shorter:
        text = shorter
    return text.partition(" at org.apache.")[0].rstrip(".") + "."


def is_of_spark(error: BaseException) -> bool:
    """Whether Spark, or the gateway to its JVM, raised an error."""
    return type(error).__module__.partition(".")[0] in ("py4j", "pyspark")


def explain_spark(error: BaseException) -> DataError:
    """The error to raise in place of Spark's own, where data is read. A file that an executor does not
    see is named with the machine."""
    gone, host = _GONE.search(str(error)), _HOST.search(str(error))
    if gone is not None:
        return DataError(
            f"{gone[1]} is not there for Spark's executor on {host[1] if host else 'its machine'}. Files must "
            "lie where all machines of the cluster reach them under the same path: a shared folder, "
            "HDFS or a bucket. If it was removed while it was read, start again."
        )
    return DataError(
        f"Spark could not read or compute the data: {describe_failure(error)} Look at the files of "
        "data.source.path, and at data.source.format if the source has one."
    )


@contextmanager
def name_spark_failure() -> Iterator[None]:
    """Turn an error of Spark into a DataError of one sentence. PySpark's own holds an object of the JVM,
    so that it cannot leave its process.

    Raises:
        DataError: from `explain_spark`.
    """
    try:
        yield
    except Exception as error:
        if not is_of_spark(error):
            raise
        raise explain_spark(error) from error
