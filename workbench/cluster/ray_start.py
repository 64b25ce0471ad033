"""Ray, started here, joined where it runs, or started in the executors of a Spark cluster."""

from __future__ import annotations

import importlib
import math
import os
import re
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from workbench.cluster.config import ClusterConfig
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
    # A heartbeat a second is plenty for jobs of minutes, and cheap for jobs of seconds.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # Prints nothing to a dashboard that is not there.
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "1000",
}
_TRAVELLING = ("RAY_CHDIR_TO_TRIAL_DIR", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S")
"""Those that processes of a Ray which was there before have to be told, for this job."""


@contextmanager
def start_ray(
    config: ClusterConfig,
    log_path: Path,
    *,
    namespace: str | None = None,
    dashboard: bool = False,
    stage: Callable[[str], None] = lambda text: None,
) -> Iterator[str | None]:
    """Ray as the configuration says, started or joined, until the block ends.

    Args:
        namespace: where its actors with names are; None: one that nobody else has.
        dashboard: have a Ray that is started show its own pages, on this machine only.
        stage: is told what goes on.

    Yields:
        Where Ray shows its pages; None where it does not.

    Raises:
        ClusterError: it could not be started or joined, or its nodes have other packages.
    """
    for name, value in _RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    # Whoever reaches Ray's port runs code as this user: a Ray of our own listens on loopback. This
    # variable is Ray's switch for it ("local only", its default on macOS), for the processes it
    # starts; here Ray may have been imported, and the variable read, before.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "1" if config.on_cluster else "0"
    # Nobody takes a machine away from under a Ray that ends with this program.
    os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "1" if config.on_cluster else "0"
    use_token()
    import ray
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = config.on_cluster
    if ray.is_initialized():
        raise ClusterError(
            "Ray is already running in this process. Leave the open bench (or call "
            "ray.shutdown()) before another one is opened."
        )
    spark_first = config.topology == "spark"
    own = (
        start_ray_in_executors(config.spark, log_path, stage) if spark_first else nullcontext(None)
    )
    with own as started:
        if not spark_first:
            stage("Starting Ray" if not config.on_cluster else f"Joining {config.address}")
        where = _where(config, started, dashboard)
        try:
            # A namespace of its own: RayDP's executors are actors with fixed names.
            namespace = namespace or f"workbench-{uuid.uuid4().hex[:8]}"
            context = ray.init(
                **where, namespace=namespace, log_to_driver=False, logging_level="ERROR"
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ClusterError(_describe_failure(config, error, log_path)) from error
        ray.data.DataContext.get_current().enable_progress_bars = False
        try:
            if config.on_cluster and not spark_first:
                check_nodes()
            yield f"http://{context.dashboard_url}" if context.dashboard_url else None
        finally:
            ray.shutdown()


def _where(config: ClusterConfig, started: str | None, dashboard: bool) -> dict[str, Any]:
    if not config.on_cluster:
        # Spark's executors idle while nets train: what they hold comes on top of the machine's CPUs.
        cpus = (os.cpu_count() or 1) + math.ceil(config.spark_cpus)
        return {"address": "local", "include_dashboard": dashboard, "num_cpus": cpus}
    if started is None:
        check_reachable(config.address)
        _check_token(config.address)
    variables = {name: os.environ[name] for name in _TRAVELLING}
    # The store and the checkpoints of this program, for its processes on this machine.
    variables["WORKBENCH_HOME"] = str(home_folder())
    return {"address": started or config.address, "runtime_env": {"env_vars": variables}}


def _describe_failure(config: ClusterConfig, error: Exception, log_path: Path) -> str:
    what = config.location if config.on_cluster else "Ray on this machine"
    return f"{what} could not be started or joined: {error} (log: {log_path})"


def _check_token(address: str) -> None:
    """Fail in a second, where Ray would try the wrong token for twenty and not name it."""
    if address == "auto":
        return
    from ray.exceptions import AuthenticationError

    raylet: Any = importlib.import_module("ray._raylet")  # without types
    try:
        raylet.GcsClient(address=address)
    except AuthenticationError:
        raise ClusterError(
            f"Ray at {address} asks for another token. The cluster's own is in ~/.ray/auth_token of "
            "who started it: name a copy of it in RAY_AUTH_TOKEN_PATH, or as token_path of a "
            "cluster in clusters.toml, readable by you alone."
        ) from None


def check_reachable(address: str) -> None:
    """Fail in seconds, where Ray's own client would retry for a minute.

    Raises:
        ClusterError: nobody answers, or it is no address.
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
