"""How far Spark is with reading many files: files a second, and the time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.data.canonical import CanonicalFrame
from workbench.progress import Progress

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_INTERVAL_S = 5.0
_FEWEST = 2000
"""Fewer files are read before anybody asks."""


@contextmanager
def watch_files(
    canonical: CanonicalFrame, progress: Progress, *, interval_s: float = _INTERVAL_S
) -> Iterator[None]:
    """While the block reads `canonical`, note how many of its files are done.

    Counted by Spark's finished tasks, which have about the same work.
    """
    files, decoded = canonical.num_files, canonical.decoded
    if files is None or decoded is None or files < _FEWEST:
        yield
        return
    parts = decoded.rdd.getNumPartitions()
    over = threading.Event()

    def watch() -> None:
        began = time.monotonic()
        while not over.wait(interval_s):
            done = _count_done(decoded.sparkSession, parts)
            if done:
                progress.note(describe_pace(files * done // parts, files, time.monotonic() - began))

    watcher = threading.Thread(target=watch, daemon=True, name="watch-files")
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _count_done(spark: SparkSession, parts: int) -> int:
    """Finished tasks of the running stage that has a task per part; 0 where none runs."""
    tracker = spark.sparkContext.statusTracker()
    for stage in tracker.getActiveStageIds():
        info = tracker.getStageInfo(stage)
        if info is not None and info.numTasks == parts:
            return int(info.numCompletedTasks)
    return 0


def describe_pace(done: int, files: int, seconds: float) -> str:
    """`12,000 of 70,000 files read, 1,200 a second, about 48 s left`."""
    pace = done / seconds
    left = (files - done) / pace
    return f"{done:,} of {files:,} files read, {pace:,.0f} a second, about {left:.0f} s left"
