"""Whether Spark's Python workers have what its tasks need, before a job fails with their traceback."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn

from workbench.errors import ClusterError
from workbench.spark_session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NEEDED = (
    *("pyarrow", "torch", "nets"),
    *("workbench.bridge.spark_writer", "workbench.scoring.tasks"),
)
_CHECKED: set[str] = set()
"""Ids of Spark's applications whose workers have all of it."""


def check_workers(spark: SparkSession) -> None:
    """Have a task look for the packages, once for each application of Spark.

    A session of Spark Connect is not asked: `check_connect` does that.

    Raises:
        ClusterError: they are not there, or the workers' Python does not start.
    """
    from py4j.protocol import Py4JError

    if is_connect(spark) or (name := spark.sparkContext.applicationId) in _CHECKED:
        return
    try:
        places = spark.sparkContext.parallelize(_NEEDED, 1)
        ((python, missing),) = places.mapPartitions(_make_search()).collect()
    except Py4JError as error:
        lines = [
            line for line in str(error).splitlines() if re.match(r"\w*(Error|Exception)\b", line)
        ]
        _refuse(lines[-1] if lines else str(error).splitlines()[0])
    if missing:
        _refuse(f"{python} has no {', '.join(missing)}")
    _CHECKED.add(name)


def _refuse(reason: str) -> NoReturn:
    raise ClusterError(
        f"Spark's Python workers cannot load the workbench: {reason.rstrip('.')}. Start the Spark session with "
        f"PYSPARK_PYTHON={sys.executable}, or another Python that has the same packages."
    ) from None


def _make_search() -> Callable[[Iterable[str]], Iterable[tuple[str, list[str]]]]:
    """A function that a worker without this package can load: functions in functions are sent whole."""

    def search(names: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
        import importlib.util
        import sys

        missing = []
        for name in names:
            try:
                found = importlib.util.find_spec(name)
            except ImportError:  # not even what it is a part of
                found = None
            if found is None:
                missing.append(name.partition(".")[0])
        return [(sys.executable, sorted(set(missing)))]

    return search
