"""Spark's executors on Ray, as many as were asked for: one that is lost for good is asked for again.

Ray starts a lost executor again by itself. RayDP 1.6 holds that one by a reference that does not
keep it alive (`Ray.getActor` of its name), so it ends when the JVM of RayDP's master collects its
garbage: at any time, in the middle of a job, and Spark would wait for another one for ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_LOOK_S, _PATIENCE_S = 2.0, 10.0
"""How often executors are counted, and how long Ray has to start a lost one again."""

log = logging.getLogger(__name__)


@contextmanager
def kept(spark: SparkSession, number: int) -> Iterator[None]:
    """Until the block ends, ask for executors again when there have been too few for a while."""
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(spark, number, over), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _watch(spark: SparkSession, number: int, over: threading.Event) -> None:
    enough = time.monotonic()
    while not over.wait(_LOOK_S):
        try:
            if _running(spark) >= number:
                enough = time.monotonic()
            elif time.monotonic() - enough > _PATIENCE_S:
                log.warning("Spark has lost executors; %d are asked for again.", number)
                _ask_for(spark, number)
                enough = time.monotonic()
        except Exception as error:  # the session ends, or has ended
            log.debug("Executors could not be counted: %s", error)


def _running(spark: SparkSession) -> int:
    infos = _context(spark).statusTracker().getExecutorInfos()
    return len(infos) - 1  # one is the driver


def _ask_for(spark: SparkSession, number: int) -> None:
    jvm: Any = spark.sparkContext._jvm
    hosts = jvm.PythonUtils.toScalaMap(jvm.java.util.HashMap())
    _context(spark).requestTotalExecutors(number, 0, hosts)


def _context(spark: SparkSession) -> Any:
    """The JVM's own SparkContext."""
    context: Any = spark.sparkContext
    return context._jsc.sc()
