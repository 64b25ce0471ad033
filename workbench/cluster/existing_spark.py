"""A session around a Spark session that the caller's program started."""

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
    """The session that `spark` belongs to; otherwise a new one of `spark` and this process's Ray.

    Where no Ray runs yet, it is started or joined (`config.address`) and stays until the process ends,
    so that later fits find it and its idle training processes.

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
            get_spark=lambda: spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=_java_of(spark),
            log_path=log_path,
        )
    return _JOINED[name]


def _java_of(spark: SparkSession) -> Java:
    version = spark_private.get_java_property(spark, "java.specification.version")
    return Java(
        home=Path(spark_private.get_java_property(spark, "java.home")),
        version=int(version.removeprefix("1.")),
        source="the Spark session",
    )
