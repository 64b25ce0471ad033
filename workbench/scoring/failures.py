"""What Spark says of a failure, in one sentence without Java."""

from __future__ import annotations

import re

from workbench.errors import DataError

_CLASS = re.compile(r"^(?:[\w$]+\.)+[\w$]*(?:Exception|Error): ?|^\[[A-Z_.]+\] ")
_TRACE = re.compile(r"^\s*(at |\.\.\. \d|Driver stacktrace)")


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


def explain_spark(error: BaseException) -> DataError:
    """The error to raise in place of Spark's own, where data is read for a training."""
    return DataError(
        f"Spark could not read or compute the data: {describe_failure(error)} Look at the files of "
        "data.source.path, and at data.source.format if the source has one."
    )
