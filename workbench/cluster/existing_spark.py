"""A session around a Spark session that the caller's program started."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import spark_private
from workbench.cluster.config import ClusterConfig
from workbench.cluster.connect_check import check_connect, refuse_sources
from workbench.cluster.java import Java
from workbench.cluster.lost_ray import check_not_lost, get_address, leave_lost_ray
from workbench.cluster.ray_start import start_ray
from workbench.cluster.session import OPEN_SESSIONS, Session
from workbench.cluster.worker_check import check_workers
from workbench.home import logs_folder
from workbench.spark_session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_JOINED: dict[str, Session] = {}
"""By Spark's application id; of Spark Connect by the session's."""
_OWN_RAY = ExitStack()
"""The Ray that was started here, until the program ends or loses it."""


def get_session(spark: SparkSession, config: ClusterConfig) -> Session:
    """The session that `spark` belongs to; otherwise a new one of `spark` and this process's Ray.

    Where no Ray runs yet, it is started or joined (`config.address`) and stays until the process ends,
    so that later fits find it and its idle training processes. One that is gone is started again,
    with a warning.

    Raises:
        ClusterError: Ray could not be started or joined; `spark` ran on a Ray that is gone; its
            Python workers lack packages; or they run on another machine, and no folder
            is named that both reach (Spark Connect).
    """
    connect = is_connect(spark)
    name = f"connect {spark.session_id}" if connect else spark.sparkContext.applicationId
    if not connect and name in OPEN_SESSIONS:
        check_not_lost(OPEN_SESSIONS[name].ray_address)
        return OPEN_SESSIONS[name]
    if name not in _JOINED:
        check_connect(spark) if connect else check_workers(spark)
    leave_lost_ray()
    log_path = logs_folder()
    if get_address() is None:
        _OWN_RAY.close()  # what remains of one that is gone
        _OWN_RAY.enter_context(start_ray(config, log_path))
        atexit.unregister(_OWN_RAY.close)
        atexit.register(_OWN_RAY.close)
    address = get_address()
    assert address is not None, "Ray has been started"
    if name not in _JOINED or _JOINED[name].ray_address != address:
        _JOINED[name] = Session(
            config=config,
            get_spark=refuse_sources if connect else lambda: spark,
            ray_address=address,
            java=None if connect else _java_of(spark),
            log_path=log_path,
        )
    return _JOINED[name]


def leave_session(session: Session) -> None:
    """Stop the Ray that was started for a session of `get_session`; its Spark stays as it is.

    A session of `open_session` is left alone: whoever opened it closes it.
    """
    names = [name for name, joined in _JOINED.items() if joined is session]
    if not names:
        return
    for name in names:
        del _JOINED[name]
    session.idle_workers.clear()  # they end with Ray
    if not _JOINED:
        _OWN_RAY.close()
        atexit.unregister(_OWN_RAY.close)


def _java_of(spark: SparkSession) -> Java:
    version = spark_private.get_java_property(spark, "java.specification.version")
    return Java(
        home=Path(spark_private.get_java_property(spark, "java.home")),
        version=int(version.removeprefix("1.")),
        source="the Spark session",
    )
