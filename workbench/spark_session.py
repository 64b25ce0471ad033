"""What is asked of a Spark session, classic or of Spark Connect, which has no SparkContext.

A session of Spark Connect is a client: Spark runs in a server, perhaps on another machine. Its settings
can be read and its DataFrames made; its JVM, RDDs and broadcasts cannot be reached.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from workbench.spark_private import list_executor_hosts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

EXCHANGE = "spark.workbench.exchange"
"""Setting of a Spark session: a folder that Spark's executors and this process both reach. Needed where
they are not on the same machine."""

_PROBE_ROWS = 100_000
"""Rows of a range that Spark cuts into as many parts as it runs tasks at once."""


def is_connect(thing: SparkSession | DataFrame) -> bool:
    """Whether a session, or the session of a DataFrame, is one of Spark Connect."""
    return type(thing).__module__.startswith("pyspark.sql.connect")


def get_setting(spark: SparkSession, name: str) -> str | None:
    """A setting that the session was started with; of Spark Connect, also one that was set since."""
    if is_connect(spark):
        return spark.conf.get(name, None)
    return spark.sparkContext.getConf().get(name)


def count_slots(spark: SparkSession) -> int:
    """How many tasks Spark runs at once. A small job finds it out for Spark Connect."""
    if not is_connect(spark):
        return spark.sparkContext.defaultParallelism
    from pyspark.sql import functions as F

    parts = spark.range(_PROBE_ROWS).select(F.spark_partition_id().alias("part"))
    return parts.distinct().count()


def count_partitions(frame: DataFrame) -> int | None:
    """Partitions of a DataFrame; None for Spark Connect, which does not say."""
    return None if is_connect(frame) else frame.rdd.getNumPartitions()


def reads_our_files(spark: SparkSession) -> bool:
    """Whether Spark's tasks see the disk of this process: all executors are on this machine. A server
    of Spark Connect does not say where they are; it is taken to see it."""
    if is_connect(spark) or (get_setting(spark, "spark.master") or "").startswith("local"):
        return True
    hosts = set(list_executor_hosts(spark))
    return bool(hosts) and hosts <= {*list_own_addresses(), "localhost", socket.gethostname()}


def list_own_addresses() -> set[str]:
    """The addresses of this machine."""
    return {each.address for some in psutil.net_if_addrs().values() for each in some}


@dataclass(frozen=True)
class _Sent:
    """Goes with the function that uses it."""

    value: Any


def share(spark: SparkSession, value: Any) -> Any:
    """An object whose `value` tasks can read: Spark's broadcast, which Spark Connect does not have."""
    return _Sent(value) if is_connect(spark) else spark.sparkContext.broadcast(value)
