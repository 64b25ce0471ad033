"""Where an experiment runs, and how much of the machines it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from nets.config import config

_MASTERS = re.compile(
    r"spark://.+:\d+.*|yarn|k8s://.+|local-cluster\[\s*\d+\s*,\s*\d+\s*,\s*\d+\s*\]"
)
_SECRET = re.compile(r"(?i)secret|password|token|access[._-]?key|credential")
"""Settings that are secrets by their names: those that Spark hides (spark.redaction.regex), and some more."""


def _flatten(value: Any, prefix: str = "") -> Any:
    """Spark settings as text, by their full names: TOML reads `a.b = 1` as a table in a table."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, Any] = {}
    for name, part in value.items():
        if isinstance(part, Mapping):
            flat |= _flatten(part, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(part).lower() if isinstance(part, bool) else str(part)
    return flat


@config
class SparkClusterConfig:
    """An existing Spark cluster. Ray's nodes are started in its executors."""

    master: str | None = None
    """With topology spark: spark://host:port, yarn, k8s://..., or local-cluster[executors,cores,megabytes]."""
    max_nodes: int = Field(default=2, ge=1)
    """Ray nodes at most, each in its own Spark executor."""
    min_nodes: int | None = Field(default=None, ge=1)
    """Ray nodes that always run; more are started when needed, up to max_nodes, and stopped when idle. None: max_nodes."""
    cpus_per_node: int | None = Field(default=None, ge=1)
    """CPUs of a Ray node; Spark is asked for executors of that size. None: the cores that Spark gives an executor."""
    gpus_per_node: int | None = Field(default=None, ge=0)
    """GPUs of a Ray node; None: what spark.executor.resource.gpu.amount is set to."""
    memory_per_node: str | None = Field(default=None, pattern=r"^\d+[kmgKMG]$")
    """Memory of a Ray node beside its executor's heap; Ray's object store gets 3/10 of it. None: a share of the machine's memory."""
    settings: Annotated[dict[str, str], BeforeValidator(_flatten)] = Field(default_factory=dict)
    """Settings of the Spark application by their full names; they override all others."""

    def __post_init__(self) -> None:
        if self.master is not None and not _MASTERS.fullmatch(self.master):
            raise ValueError(
                "master must be spark://host:port, yarn, k8s://..., or local-cluster[executors,"
                f"cores,megabytes], got {self.master!r}."
            )
        if self.min_nodes is not None and self.min_nodes > self.max_nodes:
            raise ValueError(
                f"min_nodes must be <= max_nodes, got {self.min_nodes} and {self.max_nodes}."
            )
        for name in self.settings:
            if not name.startswith("spark."):
                raise ValueError(f"settings: names begin with 'spark.', got {name!r}.")
            if _SECRET.search(name):
                raise ValueError(
                    f"settings: {name!r} looks like a secret, and these settings are recorded with "
                    "every run. Put it into spark-defaults.conf (SPARK_CONF_DIR) of this machine."
                )


@config
class ClusterConfig:
    """A Ray, a Spark on it (by RayDP), and the share of the machines that each part takes."""

    topology: Literal["ray", "spark"] = "ray"
    """ray: use Ray here or at `address`. spark: start Ray's nodes in the executors of an existing Spark cluster."""
    address: str = "local"
    """With topology ray. local: start Ray here and stop it at the end; auto or host:port: join a running Ray."""
    spark: SparkClusterConfig = SparkClusterConfig()
    """The Spark cluster, with topology spark."""
    num_workers: int = Field(default=1, ge=1)
    """Training workers of one experiment or trial, synchronised by DistributedDataParallel."""
    cpus_per_worker: float = Field(default=1, gt=0)
    """CPUs of one training worker."""
    gpus_per_worker: float = Field(default=0, ge=0)
    """GPUs of one training worker; a fraction shares one GPU between trials."""
    worker_resources: dict[str, float] = Field(default_factory=dict)
    """Custom Ray resources of one training worker, for example one that only GPU nodes have."""
    storage: str | None = None
    """Folder or URL for checkpoints and prepared data, which all nodes must reach (a shared disk, s3://...); None: below WORKBENCH_HOME."""
    max_failures: int = Field(default=2, ge=0)
    """How many times a training continues from its last checkpoint after a worker died."""
    num_executors: int = Field(default=1, ge=1)
    """Spark executors of RayDP, each a Ray actor."""
    max_executors: int | None = Field(default=None, ge=1)
    """Executors at most: Spark starts more while tasks wait. None: always num_executors."""
    executor_cores: int = Field(default=2, ge=1)
    """Task slots of one executor: how many partitions it processes at once."""
    executor_cpus: float = Field(default=0.1, ge=0)
    """CPUs that Ray reserves for one executor as long as it lives; few, because it is idle during training."""
    executor_memory: str = Field(default="1g", pattern=r"^\d+[kmgKMG]$")
    """JVM heap of one executor, as Spark writes sizes: 512m, 4g."""
    executor_resources: dict[str, float] = Field(default_factory=dict)
    """Custom Ray resources of one executor, for example one that only CPU nodes have."""
    placement: Literal["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] | None = None
    """How executors are spread over Ray's nodes; Ray then reserves executor_cores CPUs for each. None: wherever there is room."""

    def __post_init__(self) -> None:
        if self.topology == "spark" and self.spark.master is None:
            raise ValueError(
                "topology spark needs the Spark cluster's address, got no spark.master. Set "
                "cluster.spark.master to spark://host:port, yarn, k8s://... or local-cluster[2,2,2048]."
            )
        if self.topology == "spark" and self.address != "local":
            raise ValueError(
                f"topology spark starts its own Ray, got address {self.address!r}. Leave "
                "cluster.address out, or set cluster.topology to ray to join that Ray."
            )
        if self.topology == "ray" and self.spark.master is not None:
            raise ValueError(
                f"spark.master belongs to topology spark, got {self.spark.master!r} with topology "
                "ray. Set cluster.topology to spark."
            )
        if self.max_executors is not None and self.max_executors < self.num_executors:
            raise ValueError(
                f"max_executors must be >= num_executors, got {self.max_executors} and "
                f"{self.num_executors}."
            )
        if self.placement and self.executor_resources:
            raise ValueError(
                "placement reserves CPUs and memory but no other resources, got placement "
                f"{self.placement!r} with executor_resources {self.executor_resources}. Use one."
            )
        if self.placement and self.max_executors:
            raise ValueError(
                "placement is for a fixed number of executors, got max_executors "
                f"{self.max_executors} with placement {self.placement!r}. Use one."
            )

    @property
    def on_cluster(self) -> bool:
        """Whether it runs on a cluster, not on a Ray of this machine alone."""
        return self.topology == "spark" or self.address != "local"

    @property
    def spark_cpus(self) -> float:
        """CPUs that Ray reserves for Spark's executors."""
        each = self.executor_cores if self.placement else self.executor_cpus
        return self.num_executors * each

    @property
    def location(self) -> str:
        """Where it runs, as messages say it."""
        if self.topology == "spark":
            return f"the executors of {self.spark.master}"
        return "this machine" if self.address == "local" else f"Ray at {self.address}"


START_SETTINGS = (
    "topology",
    "address",
    "spark",
    "num_executors",
    "max_executors",
    "executor_cores",
    "executor_cpus",
    "executor_memory",
    "executor_resources",
    "placement",
)
"""The settings that a session is started with: all its experiments share them."""


def parse_size(size: str) -> int:
    """Bytes of a size as Spark writes it, such as 512m."""
    return int(size[:-1]) * {"k": 2**10, "m": 2**20, "g": 2**30}[size[-1].lower()]
