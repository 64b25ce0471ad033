"""Spark's executors on Ray, as many as were asked for; and no waiting for ever where none comes.

Ray starts an executor that was lost again by itself, as often as RayDP lets it. RayDP 1.6 holds that
one by a reference that does not keep it alive (`Ray.getActor` of its name), so it ends when the JVM of
RayDP's master collects its garbage: at any time, also in the middle of a job, which then waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench import spark_private

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOOK_S, ASK_S, GIVE_UP_S = 2.0, 10.0, 180.0
"""How often executors are counted; after how long without enough of them more are asked for, and
after how long without any the work that waits for them is ended: Ray takes seconds to start one
again, and minutes where it has to start a machine first."""

log = logging.getLogger(__name__)


@contextmanager
def keep_executors(spark: SparkSession, number: int) -> Iterator[None]:
    """Until the block ends, see to it that there are so many executors."""
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(spark, number, over), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def _watch(spark: SparkSession, number: int, over: threading.Event) -> None:
    enough, asked = time.monotonic(), False
    while not over.wait(LOOK_S):
        try:
            running, missing_s = spark_private.num_executors(spark), time.monotonic() - enough
            if running >= number:
                enough, asked = time.monotonic(), False
            elif not asked and missing_s > ASK_S:
                log.warning("Spark has %d of %d executors; asking for more.", running, number)
                spark_private.request_executors(spark, number)
                asked = True
            elif not running and missing_s > GIVE_UP_S:
                _end_stages(spark, missing_s)
        except Exception as error:  # the session ends, or has ended
            log.debug("Executors could not be counted: %s", error)


def _end_stages(spark: SparkSession, missing_s: float) -> None:
    why = (
        f"Spark has lost its executors, and Ray has started no other for {missing_s:.0f} s: it has "
        "no room for one, or RayDP cannot. Start again (workbench down, where a bench is up)"
    )
    for stage in spark.sparkContext.statusTracker().getActiveStageIds():
        spark_private.cancel_stage(spark, stage, why)
