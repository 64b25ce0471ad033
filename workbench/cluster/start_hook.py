"""Sets the environment of the Ray nodes in Spark's executors.

Ray loads `StartHook` by the name in RAY_ON_SPARK_START_HOOK. The variables travel inside Spark's tasks,
so the token is in no setting, no command line and no runtime environment.
"""

from __future__ import annotations

import os

from ray.util.spark.databricks_hook import DefaultDatabricksRayOnSparkStartHook
from ray.util.spark.start_hook_base import RayOnSparkStartHook
from ray.util.spark.utils import is_in_databricks_runtime

from workbench.cluster.ray_token import read_token

PATH = "WORKBENCH_NODES_PATH"
"""The variable with the PATH of the nodes, on which they find `ray` and `java`."""

_Base: type = (
    DefaultDatabricksRayOnSparkStartHook if is_in_databricks_runtime() else RayOnSparkStartHook
)


class StartHook(_Base):
    """Ray's own hook, with the token and the PATH of the nodes."""

    def __init__(self, is_global: bool = False) -> None:
        super().__init__(is_global)  # Ray passes the argument to its own hooks only

    def custom_environment_variables(self) -> dict[str, str]:
        """Variables of the head, which runs here, and of each node in an executor."""
        secret = read_token()
        return {
            **super().custom_environment_variables(),
            "PATH": os.environ[PATH],
            "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            **({"RAY_AUTH_TOKEN": secret} if secret else {}),
        }
