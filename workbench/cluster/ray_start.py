"""Starts Ray here or in the executors of a Spark cluster, or joins a Ray that runs."""

from __future__ import annotations

import math
import os
import re
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from workbench import ray_private
from workbench.cluster.config import ClusterConfig
from workbench.cluster.lasting_thread import call_in_lasting_thread
from workbench.cluster.lost_ray import get_address, leave_lost_ray, watch_ray
from workbench.cluster.package_check import check_nodes
from workbench.cluster.ray_on_spark import start_ray_in_executors
from workbench.cluster.ray_token import use_token
from workbench.errors import ClusterError
from workbench.home import home_folder

_RAY_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Workers keep the directory the command was started in: relative data paths stay valid.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # By default Ray Train asks its workers every 2 s, which is long for a training of seconds.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # There is no dashboard to send metrics to.
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "1000",
}
_JOB_SETTINGS = ("RAY_CHDIR_TO_TRIAL_DIR", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S")
"""Settings that go with the job to a Ray that was started without them."""


@contextmanager
def start_ray(
    config: ClusterConfig,
    log_path: Path,
    *,
    namespace: str | None = None,
    dashboard: bool = False,
    stage: Callable[[str], None] = lambda text: None,
) -> Iterator[str | None]:
    """Start or join Ray, as the configuration says; stop or leave it when the block ends.

    A Ray of this process that is gone is left first, with a warning. The new one does not depend on
    the thread that calls this.

    Args:
        namespace: of Ray's named actors; None: one that nobody else has.
        dashboard: whether a Ray that is started shows its own pages, to this machine only.
        stage: called with a line for the user at each step.

    Yields:
        The address of Ray's pages; None where there are none.

    Raises:
        ClusterError: it could not be started or joined, or its nodes have other packages.
    """
    for name, value in _RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    # A Ray on this machine alone never loses a node to preemption.
    os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "1" if config.on_cluster else "0"
    use_token()
    # Whoever reaches Ray's port can run code as this user.
    ray_private.listen_on_loopback(only=not config.on_cluster)
    import ray

    leave_lost_ray()
    if ray.is_initialized():
        raise ClusterError(
            "Ray is already running in this process. Close the open session (or call "
            "ray.shutdown()) before opening another one."
        )
    spark_first = config.topology == "spark"
    own = (
        start_ray_in_executors(config.spark, log_path, stage) if spark_first else nullcontext(None)
    )
    with own as started:
        if not spark_first:
            stage("Starting Ray" if not config.on_cluster else f"Joining {config.address}")
        where = _init_arguments(config, started, dashboard)
        try:
            # Its own namespace, because RayDP gives its executors fixed names.
            namespace = namespace or f"workbench-{uuid.uuid4().hex[:8]}"
            context = call_in_lasting_thread(
                partial(
                    ray.init,
                    **where,
                    namespace=namespace,
                    log_to_driver=False,
                    logging_level="ERROR",
                )
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ClusterError(_describe_failure(config, error, log_path)) from error
        except BaseException:
            ray.shutdown()  # interrupted: it may be there all the same
            raise
        ray_private.allow_automatic_start()
        ray.data.DataContext.get_current().enable_progress_bars = False
        address = str(ray.get_runtime_context().gcs_address)
        try:
            with watch_ray(address, joined=config.on_cluster):
                if config.on_cluster and not spark_first:
                    check_nodes()
                yield f"http://{context.dashboard_url}" if context.dashboard_url else None
        finally:
            if get_address() == address:  # a lost one was left, and perhaps another one started
                ray.shutdown()


def _init_arguments(config: ClusterConfig, started: str | None, dashboard: bool) -> dict[str, Any]:
    if not config.on_cluster:
        # Spark's executors are idle while nets train: Ray gets CPUs for them beside the machine's own.
        cpus = (os.cpu_count() or 1) + math.ceil(config.spark_cpus)
        return {"address": "local", "include_dashboard": dashboard, "num_cpus": cpus}
    if started is None:
        check_reachable(config.address)
        _check_token(config.address)
    variables = {name: os.environ[name] for name in _JOB_SETTINGS}
    # Processes on this machine use the same store and checkpoints as this one.
    variables["WORKBENCH_HOME"] = str(home_folder())
    return {"address": started or config.address, "runtime_env": {"env_vars": variables}}


def _describe_failure(config: ClusterConfig, error: Exception, log_path: Path) -> str:
    what = config.location if config.on_cluster else "Ray on this machine"
    return f"{what} could not be started or joined: {error} (log: {log_path})"


def _check_token(address: str) -> None:
    """Refuse a wrong token in a second. Ray would try it for 20 s and not name the cause."""
    if address == "auto":
        return
    from ray.exceptions import AuthenticationError

    try:
        ray_private.connect_once(address)
    except AuthenticationError:
        raise ClusterError(
            f"Ray at {address} asks for another token. The cluster's own is in ~/.ray/auth_token of "
            "who started it: name a copy of it in RAY_AUTH_TOKEN_PATH, or as token_path of a "
            "cluster in clusters.toml, readable by you alone."
        ) from None


def check_reachable(address: str) -> None:
    """Fail in seconds, where Ray's own client would retry for a minute.

    Raises:
        ClusterError: nothing answers there, or the address has another form.
    """
    if address == "auto":
        return
    match = re.fullmatch(r"\[?([^\]/]+?)\]?:(\d+)", address)
    if match is None:
        raise ClusterError(f"cluster.address must be local, auto or host:port, got {address!r}.")
    try:
        socket.create_connection((match[1], int(match[2])), timeout=5).close()
    except OSError as error:
        raise ClusterError(
            f"No Ray cluster answers at {address} ({error}). Start one there with "
            "`ray start --head`, correct cluster.address, or leave it at 'local'."
        ) from None
