"""The bench of a Spark session that a program started by itself: Ray comes to it, and stays."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import spark_private
from workbench.cluster.config import ClusterConfig
from workbench.cluster.java import Java
from workbench.cluster.ray_start import start_ray
from workbench.cluster.session import OPEN_SESSIONS, Session
from workbench.home import logs_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_JOINED: dict[str, Session] = {}
"""By Spark's application id."""


def get_session(spark: SparkSession, config: ClusterConfig) -> Session:
    """The bench that the session belongs to; else one made of the session and of this process's Ray.

    Ray that does not run yet is started (`config.address`), and stays until the process ends: one
    fit after another finds it, and the processes that wait to train, as they are.

    Raises:
        ClusterError: Ray could not be started or joined.
    """
    import ray

    name = spark.sparkContext.applicationId
    if name in OPEN_SESSIONS:
        return OPEN_SESSIONS[name]
    log_path = logs_folder()
    if not ray.is_initialized():
        stack = ExitStack()
        stack.enter_context(start_ray(config, log_path))
        atexit.register(stack.close)
        _JOINED.clear()
    if name not in _JOINED:
        _JOINED[name] = Session(
            config=config,
            spark=spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=_java_of(spark),
            log_path=log_path,
        )
    return _JOINED[name]


def _java_of(spark: SparkSession) -> Java:
    version = spark_private.java_property(spark, "java.specification.version")
    return Java(
        home=Path(spark_private.java_property(spark, "java.home")),
        version=int(version.removeprefix("1.")),
        source="the Spark session",
    )
