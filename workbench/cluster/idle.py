"""Settings of `cluster` that change nothing beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from nets.idle import IdleSetting
from workbench.cluster.config import ClusterConfig, SparkClusterConfig


def idle_settings(cluster: ClusterConfig) -> Iterator[IdleSetting]:
    """Each setting that changes nothing here, whatever its value."""
    if cluster.topology == "ray":
        for name in SparkClusterConfig.__dataclass_fields__:
            rule = "it belongs to topology spark, got topology 'ray'"
            yield IdleSetting(f"spark.{name}", rule, "Set cluster.topology to spark")
