"""What a session of Spark Connect must have before it is trained on: tasks that load the workbench here."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from workbench.errors import ClusterError
from workbench.spark_session import EXCHANGE, get_setting

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_NEEDED = "workbench.bridge.spark_writer"
_SCHEMA = "host string, problem string, seen boolean"


def check_connect(spark: SparkSession) -> None:
    """Have a task of the server import the workbench, and look for a file of this machine.

    Raises:
        ClusterError: it cannot, or finds none.
    """
    from pyspark.errors import PySparkException

    named = get_setting(spark, EXCHANGE)
    folder = None if named is None else named.removeprefix("file://")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".workbench-") as mark:
            rows = spark.range(1).mapInArrow(_make_probe(_NEEDED, mark.name), _SCHEMA).collect()
    except OSError as error:
        raise ClusterError(
            f"{EXCHANGE} names {named}, where no file can be made: {error}"
        ) from error
    except PySparkException as error:
        reason = str(error).strip().splitlines()[0]
        raise ClusterError(
            f"Spark Connect's server cannot run Python of this session: {reason} It needs the Python "
            f"{sys.version_info[0]}.{sys.version_info[1]} of this process, named in PYSPARK_PYTHON "
            "where the server starts."
        ) from error
    host, problem, seen = rows[0]
    if problem is not None:
        raise ClusterError(
            f"Spark's Python workers cannot load the workbench: {problem}. Start Spark Connect's server "
            f"with PYSPARK_PYTHON={sys.executable}, or another Python that has the same packages."
        )
    if not seen:
        place = "this machine's disk" if named is None else named
        raise ClusterError(
            f"Spark Connect's tasks run on {host} and do not see {place}, and rows come from Spark as "
            f"files. Name a folder that both reach: spark.conf.set({EXCHANGE!r}, '/shared/folder')."
        )


def _make_probe(needed: str, mark: str) -> Callable[[Any], Iterator[pa.RecordBatch]]:
    """A function that a worker without this package can load: functions in functions are sent whole."""

    def probe(batches: Any) -> Iterator[pa.RecordBatch]:
        import importlib
        import os
        import socket

        import pyarrow as pa

        for _ in batches:
            pass
        problem = None
        try:
            importlib.import_module(needed)
        except ImportError as error:
            problem = f"{type(error).__name__}: {error}"
        names = ["host", "problem", "seen"]
        columns = [
            pa.array([socket.gethostname()], pa.string()),
            pa.array([problem], pa.string()),
            pa.array([os.path.exists(mark)], pa.bool_()),
        ]
        yield pa.RecordBatch.from_arrays(columns, names)

    return probe


def refuse_sources() -> NoReturn:
    """In place of the session's Spark, which readers of files need.

    Raises:
        ClusterError: always.
    """
    raise ClusterError(
        "A Spark Connect session has no SparkContext, by which files are listed and read. Read them "
        "with it and give the DataFrame: wb.train(spark.read.parquet(path), label='column'). Or open "
        "a workbench without it: workbench.open()."
    )
