"""Settings of `cluster` that change nothing beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.cluster.config import ClusterConfig, SparkClusterConfig


def idle_settings(cluster: ClusterConfig) -> Iterator[tuple[str, str, str]]:
    """Each setting that changes nothing here, whatever its value: path, rule, way out."""
    if cluster.topology == "ray":
        for name in SparkClusterConfig.__dataclass_fields__:
            rule = "it belongs to topology spark, got topology 'ray'"
            yield f"spark.{name}", rule, "Set cluster.topology to spark"
