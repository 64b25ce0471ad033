"""Ray and Spark, up and down."""

from __future__ import annotations

from workbench.cluster.bench import Bench, bench
from workbench.cluster.config import ClusterConfig
from workbench.cluster.java import Java, find_java

__all__ = ["Bench", "ClusterConfig", "Java", "bench", "find_java"]
