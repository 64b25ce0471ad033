"""What Ray asks on its way into Spark's executors: the environment of its nodes there.

Ray loads this by the name in RAY_ON_SPARK_START_HOOK. What it returns travels inside Spark's tasks,
so that the token is in no setting, no command line and no runtime environment.
"""

from __future__ import annotations

import os

from ray.util.spark.databricks_hook import DefaultDatabricksRayOnSparkStartHook
from ray.util.spark.start_hook_base import RayOnSparkStartHook
from ray.util.spark.utils import is_in_databricks_runtime

from workbench.cluster.ray_token import read_token

PATH = "WORKBENCH_NODES_PATH"
"""Variable with the PATH of the nodes: they have to find `ray` and `java`."""

_Base: type = (
    DefaultDatabricksRayOnSparkStartHook if is_in_databricks_runtime() else RayOnSparkStartHook
)


class StartHook(_Base):
    """Ray's own, and the token and the PATH of the nodes."""

    def __init__(self, is_global: bool = False) -> None:
        super().__init__(is_global)  # Ray makes its own with the argument, and others without

    def custom_environment_variables(self) -> dict[str, str]:
        """For the head, which runs here, and for each node in an executor."""
        secret = read_token()
        return {
            **super().custom_environment_variables(),
            "PATH": os.environ[PATH],
            "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "token"),
            "RAY_USAGE_STATS_ENABLED": "0",
            **({"RAY_AUTH_TOKEN": secret} if secret else {}),
        }
