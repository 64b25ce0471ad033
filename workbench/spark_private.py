"""Every use of what PySpark keeps to itself: its JVM gateway and the JVM's own objects.

Each function says why the public interface is not enough. All were seen in pyspark 3.5.7 with
raydp 1.6.5; `tests/workbench/test_spark_private.py` fails when a later version lacks one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def has_jvm() -> bool:
    """Whether this process has a JVM already, which a Spark session would use.

    `SparkContext._gateway`: PySpark has no public way to ask.
    """
    from pyspark import SparkContext

    return SparkContext._gateway is not None


def end_jvm() -> None:
    """End the JVM of this process; the next Spark session starts another one.

    `SparkContext._gateway` and `_jvm`: PySpark keeps its JVM after `stop()`. The JVM of a session on
    Ray is a part of that Ray and cannot serve the next one.
    """
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    SparkContext._gateway = SparkContext._jvm = None
    if gateway is not None:
        gateway.shutdown()


def get_java_property(spark: SparkSession, name: str) -> str:
    """A system property of the session's JVM, such as `java.home`.

    `SparkContext._jvm`: a session that somebody else started does not say which Java it runs on.
    """
    return str(_context(spark)._jvm.java.lang.System.getProperty(name))


def count_executors(spark: SparkSession) -> int:
    """How many executors the session has now.

    `_jsc.sc().statusTracker().getExecutorInfos()`: PySpark's own `statusTracker()` has jobs and
    stages only.
    """
    return len(_java_context(spark).statusTracker().getExecutorInfos()) - 1  # one is the driver


def list_executor_cores(spark: SparkSession) -> list[int]:
    """The cores of each executor."""
    return [int(each.totalCores()) for each in _list_executors(spark)]


def list_executor_hosts(spark: SparkSession) -> list[str]:
    """The host of each executor, by name or address."""
    return [str(each.hostPort()).rpartition(":")[0] for each in _list_executors(spark)]


def _list_executors(spark: SparkSession) -> list[Any]:
    """`_jsc.sc().statusStore()`: PySpark shows executors on the pages of its UI only."""
    executors = _java_context(spark).statusStore().executorList(True)
    summaries = [executors.apply(i) for i in range(executors.size())]
    return [each for each in summaries if each.id() != "driver"]


def request_executors(spark: SparkSession, number: int) -> bool:
    """Ask the cluster for `number` executors in all; False where it has no way to be asked.

    `_jsc.sc().requestTotalExecutors()`, a developer interface of Spark that PySpark does not pass on.
    """
    jvm: Any = _context(spark)._jvm
    tasks_by_host = jvm.PythonUtils.toScalaMap(jvm.java.util.HashMap())
    return bool(_java_context(spark).requestTotalExecutors(number, 0, tasks_by_host))


def cancel_stage(spark: SparkSession, stage: int, reason: str) -> None:
    """End a stage; the job that it belongs to fails with `reason`.

    `_jsc.sc().cancelStage()`: PySpark cancels groups of jobs only, without a reason.
    """
    _java_context(spark).cancelStage(stage, reason)


def _context(spark: SparkSession) -> Any:
    """PySpark's context, without its types: they lack the private attributes."""
    return spark.sparkContext


def _java_context(spark: SparkSession) -> Any:
    """The JVM's own SparkContext."""
    return _context(spark)._jsc.sc()


def no_owner() -> Any:
    """The owner of a parameter in a class's body; Spark ML replaces it when the class is used.

    `Params._dummy()`: all of Spark ML's classes declare their parameters so, and there is no public
    way.
    """
    from pyspark.ml.param import Params

    return Params._dummy()


def set_uid(params: Any, uid: str) -> None:
    """Give an estimator or model the id that it was saved with.

    `Params._resetUid`: the id is part of each parameter, and Spark ML's own readers use this.
    """
    params._resetUid(uid)


def list_files(spark: SparkSession, path: str) -> list[tuple[str, int, int]]:
    """Address, size and time of change (ms) of each file at or below a path, which may have `*`.

    `_jvm.org.apache.hadoop.fs`: PySpark names the files of a table, without size and time.

    Raises:
        OSError: nothing is there, or the file system does not answer.
    """
    from py4j.protocol import Py4JJavaError

    context = _context(spark)
    hadoop_path = context._jvm.org.apache.hadoop.fs.Path(path)
    try:
        system = hadoop_path.getFileSystem(context._jsc.hadoopConfiguration())
        roots = system.globStatus(hadoop_path) or ()
        files = []
        for root in roots:
            found = system.listFiles(root.getPath(), True)
            while found.hasNext():
                status = found.next()
                address = str(status.getPath().toString())
                files.append((address, int(status.getLen()), int(status.getModificationTime())))
    except Py4JJavaError as error:
        raise OSError(str(error.java_exception.getMessage() or error.java_exception)) from error
    if not files:
        raise OSError("no file is there")
    return files


def list_table_files(spark: SparkSession, name: str) -> list[tuple[str, int, int]]:
    """The same of each file of a table that the session's catalog knows.

    Spark names the files of a table, or the folder of one of Hive's, without size and time.

    Raises:
        OSError: the file system does not answer.
    """
    places = {_plain(place) for place in spark.table(name).inputFiles()}
    below = tuple(f"{place}/" for place in places)
    # Many files are listed by their folders; the one folder of a table of Hive lies beside those of others.
    roots = places if len(places) == 1 else {place.rpartition("/")[0] for place in places}
    files = {file for root in roots for file in list_files(spark, root)}
    named = ((_plain(file), size, time) for file, size, time in files)
    return sorted(one for one in named if one[0] in places or one[0].startswith(below))


def _plain(address: str) -> str:
    """An address as Spark's planner and Hadoop's file systems both write it."""
    return re.sub(r"^file:/+", "/", unquote(address))


def write_file(spark: SparkSession, path: str, content: bytes) -> None:
    """Write a file to any file system that Spark knows; one that exists is replaced.

    `_jvm.org.apache.hadoop.fs`: PySpark writes rows, not files.
    """
    context = _context(spark)
    hadoop_path = context._jvm.org.apache.hadoop.fs.Path(path)
    stream = hadoop_path.getFileSystem(context._jsc.hadoopConfiguration()).create(hadoop_path, True)
    try:
        stream.write(bytearray(content))
    finally:
        stream.close()
