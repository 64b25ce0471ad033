"""Where an experiment runs and how much of the machine it takes."""

from __future__ import annotations

from pydantic import Field

from nets.config import config


@config
class ClusterConfig:
    """Ray (and, on it, Spark through RayDP) and the share of it that each part takes."""

    address: str = "local"
    """local: start Ray here and stop it at the end; auto or host:port: join a running Ray cluster."""
    num_workers: int = Field(default=1, ge=1)
    """Training workers of one experiment or trial, synchronised by DistributedDataParallel."""
    cpus_per_worker: float = Field(default=1, gt=0)
    """CPUs of one training worker."""
    gpus_per_worker: float = Field(default=0, ge=0)
    """GPUs of one training worker; a fraction shares one GPU between trials."""
    storage: str | None = None
    """Folder or URL for checkpoints that all nodes reach (s3://..., a shared disk); None: below WORKBENCH_HOME."""
    max_failures: int = Field(default=2, ge=0)
    """How often a training whose worker died goes on from its last checkpoint."""
    num_executors: int = Field(default=1, ge=1)
    """Spark executors, each a Ray actor."""
    executor_cores: int = Field(default=2, ge=1)
    """Task slots of one executor: how many partitions it works on at once."""
    executor_cpus: float = Field(default=0.1, ge=0)
    """CPUs one executor holds in Ray's accounts while it lives; small, because it idles during training."""
    executor_memory: str = Field(default="1g", pattern=r"^\d+[kmgKMG]$")
    """JVM heap of one executor, as Spark writes sizes."""
