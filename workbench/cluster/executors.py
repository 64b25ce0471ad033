"""Keeps the number of Spark's executors on Ray; without any for long, work that waits for them fails.

Ray restarts a lost executor by itself, as often as RayDP allows. But RayDP 1.6 refers to the new one in
a way that does not keep it alive (`Ray.getActor` of its name). It ends when the JVM of RayDP's master
collects its garbage, perhaps in the middle of a job. The job then waits for ever.
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
"""Executors are counted every LOOK_S. After ASK_S with too few of them, Spark is asked for more. After
GIVE_UP_S without any, the stages that wait are cancelled: Ray restarts one in seconds, or in minutes
where it has to start a machine first."""

log = logging.getLogger(__name__)


@contextmanager
def keep_executors(spark: SparkSession, number: int) -> Iterator[None]:
    """Keep `number` executors running until the block ends."""
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
            running, missing_s = spark_private.count_executors(spark), time.monotonic() - enough
            if running >= number:
                enough, asked = time.monotonic(), False
            elif not asked and missing_s > ASK_S:
                log.warning("Spark has %d of %d executors; asking for more.", running, number)
                spark_private.request_executors(spark, number)
                asked = True
            elif not running and missing_s > GIVE_UP_S:
                _end_stages(spark, missing_s)
        except Exception as error:  # the session ends, or has ended
            log.debug("Counting executors failed: %s", error)


def _end_stages(spark: SparkSession, missing_s: float) -> None:
    why = (
        f"Spark has lost its executors, and Ray has started no other for {missing_s:.0f} s. Ray has "
        "no room for one, or RayDP failed to start it. Start again (a bench: workbench down, then up)"
    )
    for stage in spark.sparkContext.statusTracker().getActiveStageIds():
        spark_private.cancel_stage(spark, stage, why)
