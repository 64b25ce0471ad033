"""Training on several workers through Ray Train.

Nothing here knows the tracking store: workers report, the driver records.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from ray.train import (
    Checkpoint,
    CheckpointConfig,
    FailureConfig,
    RunConfig,
    ScalingConfig,
    UserCallback,
)
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.queue import Queue

from nets.fit import Evaluation
from nets.synced_norm import synchronise
from workbench.bridge import Prepared
from workbench.experiments.experiment import Experiment
from workbench.training.checkpoints import HISTORY_BYTES
from workbench.training.learner import Learner
from workbench.training.process import prepare_process, worker_resources
from workbench.training.ray_train_private import Trainer
from workbench.training.recording import Part


def make_trainer(
    experiment: Experiment,
    prepared: Prepared,
    name: str,
    storage: str,
    callback: UserCallback,
    *,
    part_s: float | None,
) -> TorchTrainer:
    """A trainer that goes on after the last checkpoint of its name.

    Args:
        part_s: workers also report after so many seconds of an epoch that takes longer; None: after
            each epoch only.
    """
    cluster = experiment.cluster
    return Trainer(
        train_worker,
        train_loop_config={
            "experiment": experiment,
            "prepared": prepared,
            "part_s": part_s,
        },
        torch_config=TorchConfig(),
        scaling_config=ScalingConfig(
            num_workers=cluster.num_workers,
            use_gpu=cluster.gpus_per_worker > 0,
            resources_per_worker=worker_resources(experiment),
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage,
            callbacks=[callback],
            # One is enough: each checkpoint also holds the best weights so far.
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            failure_config=FailureConfig(max_failures=cluster.max_failures),
        ),
    )


def train_worker(config: dict[str, Any]) -> None:
    """The loop of a Ray Train worker. After each epoch, and with `part_s` after parts of a long one, it
    reports; rank 0 adds a checkpoint."""
    experiment, prepared = config["experiment"], config["prepared"]
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    prepare_process(experiment)
    learner = Learner(
        experiment,
        prepared,
        rank=rank,
        world_size=world_size,
        device=ray.train.torch.get_device(),
        wrap=_replicate if world_size > 1 else None,
        gather=_gather if world_size > 1 else lambda evaluation: [evaluation],
    )
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            learner.load(Path(folder))
        if learner.last_metrics:  # its report may have been lost with the controller
            part = Part(None, (), learner.describe_use())
            lost = {"metrics": learner.last_metrics, "part": part, "finished": learner.finished}
            ray.train.report(lost)
    while not learner.finished:
        complete = config["part_s"] is None or learner.train_part(config["part_s"])
        rows = None if complete else learner.fit.rows
        metrics = learner.train_epoch() if complete else None
        part = Part(rows, learner.fit.take_points(), learner.describe_use())
        with tempfile.TemporaryDirectory() as folder:
            if rank == 0:
                learner.save(Path(folder))
            saved = Checkpoint.from_directory(folder) if rank == 0 else None
            report = {"metrics": metrics, "part": part, "finished": learner.finished}
            ray.train.report(report, checkpoint=saved)


def _replicate(net: torch.nn.Module) -> torch.nn.Module:
    synchronise(net)
    device = next(net.parameters()).device
    ids = [device] if device.type == "cuda" else None
    return torch.nn.parallel.DistributedDataParallel(net, device_ids=ids)


def _gather(evaluation: Evaluation) -> list[Evaluation]:
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, evaluation)
    return parts


class ReportSender(UserCallback):
    """Sends each report, once its checkpoint is stored, from the controller to the driver."""

    def __init__(self, reports: Queue) -> None:
        self.reports = reports

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        rank, error = next(iter(worker_exceptions.items()))
        lines = str(error).strip().splitlines() or [type(error).__name__]
        self.reports.put(f"Worker {rank} failed: {lines[0]}")

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Checkpoint | None
    ) -> None:
        part: Part = metrics[0]["part"]
        if metrics[0]["metrics"] is None:
            self.reports.put(part)
            return
        weights = None
        if checkpoint is not None:
            with checkpoint.as_directory() as folder:
                weights = (Path(folder) / "last.safetensors").read_bytes()
        kept = weights if weights and len(weights) < HISTORY_BYTES else None
        # At once: a controller that dies between two calls would lose the epoch, but not its checkpoint.
        epoch = (metrics[0]["metrics"], kept, part.used)
        self.reports.put_nowait_batch([part, epoch])
