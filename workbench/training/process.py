"""A process of the cluster that trains or evaluates: what it holds, and how it is set up."""

from __future__ import annotations

import gc

import torch

from workbench import heap
from workbench.experiments.experiment import Experiment


def worker_resources(experiment: Experiment) -> dict[str, float]:
    """What one worker holds in Ray's accounts."""
    cluster = experiment.cluster
    gpus = {"GPU": cluster.gpus_per_worker} if cluster.gpus_per_worker else {}
    return {"CPU": cluster.cpus_per_worker, **gpus, **cluster.worker_resources}


def prepare_process(experiment: Experiment) -> None:
    """Make this process one that trains: with as many threads as it holds CPUs, since more would
    take turns on the same cores, and with memory that stays its own."""
    torch.set_num_threads(max(1, round(experiment.cluster.cpus_per_worker)))
    heap.keep_freed_memory()
    if not gc.get_freeze_count():  # once: what is here now stays, and need not be walked through
        gc.freeze()
