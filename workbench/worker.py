"""What runs on the cluster: a training worker, a trial, the evaluation of the best epoch.

Nothing here knows the tracking store: workers report, the driver records.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
import ray.train
import ray.train.torch
import torch
from pyarrow.fs import FileSystem, LocalFileSystem
from ray import tune
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.callback import UserCallback
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.result import SHOULD_CHECKPOINT
from ray.util.queue import Queue

from nets import DivergedError
from nets.config import override
from nets.fit import Evaluation
from workbench import heap
from workbench.bridge import Prepared
from workbench.cluster.bench import HOME
from workbench.experiment import Experiment
from workbench.learner import Learner
from workbench.outcome import Outcome, conclude
from workbench.results import Settings
from workbench.variants import Variants

HISTORY_BYTES = 64 * 2**20
"""Weights of every epoch are kept in the run while all epochs together stay below this."""


def make_trainer(
    experiment: Experiment, prepared: Prepared, name: str, storage: str, callback: UserCallback
) -> TorchTrainer:
    cluster = experiment.cluster
    streamed = {name: split.dataset for name, split in prepared.splits.items() if split.dataset}
    return TorchTrainer(
        train_worker,
        train_loop_config={"experiment": experiment, "prepared": prepared},
        datasets=streamed,
        # Only the training split is cut into equal parts, which drops up to num_workers - 1 rows.
        dataset_config=ray.train.DataConfig(datasets_to_split=["train"]),
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
    """What each Ray Train worker runs: epochs, each reported with a checkpoint by rank 0."""
    experiment, prepared = config["experiment"], config["prepared"]
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    settle(experiment)
    learner = Learner(
        experiment,
        prepared,
        rank=rank,
        world_size=world_size,
        device=ray.train.torch.get_device(),
        wrap=_replicated if world_size > 1 else None,
        gather=_gathered if world_size > 1 else lambda evaluation: [evaluation],
        shards={
            name: ray.train.get_dataset_shard(name)
            for name, split in prepared.splits.items()
            if split.dataset is not None
        },
    )
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            learner.load(Path(folder))
    while not learner.finished:
        metrics = learner.train_epoch()
        with tempfile.TemporaryDirectory() as folder:
            if rank == 0:
                learner.save(Path(folder))
            saved = Checkpoint.from_directory(folder) if rank == 0 else None
            report = {"metrics": metrics, "finished": learner.finished}
            ray.train.report(report, checkpoint=saved)


def _replicated(net: torch.nn.Module) -> torch.nn.Module:
    device = next(net.parameters()).device
    ids = [device] if device.type == "cuda" else None
    return torch.nn.parallel.DistributedDataParallel(net, device_ids=ids)


def _gathered(evaluation: Evaluation) -> list[Evaluation]:
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, evaluation)
    return parts


class Mail(UserCallback):
    """Sends each report, once its checkpoint is stored, from the controller to the driver."""

    def __init__(self, mail: Queue) -> None:
        self.mail = mail

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        rank, error = next(iter(worker_exceptions.items()))
        lines = str(error).strip().splitlines() or [type(error).__name__]
        self.mail.put(f"Worker {rank} failed: {lines[0]}")

    def after_report(
        self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Checkpoint | None
    ) -> None:
        weights = None
        if checkpoint is not None:
            with checkpoint.as_directory() as folder:
                weights = (Path(folder) / "last.safetensors").read_bytes()
        self.mail.put(
            (metrics[0]["metrics"], weights if weights and len(weights) < HISTORY_BYTES else None)
        )


_TOGETHER_S = 0.5
"""A trial reports the epochs of so many seconds at once."""


class Due:
    """When a trial's next checkpoint is due: often enough that a death costs little, and seldom
    enough that checkpoints take at most a twentieth of the time."""

    FIRST_S, SHARE = 2.0, 1 / 20

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._asked: float | None = None
        self._cost_s = self.FIRST_S * self.SHARE

    def begins(self) -> None:
        """An epoch begins: what passed since a checkpoint was asked for is what it took."""
        if self._asked is not None:
            self._since = self._clock()
            self._cost_s = self._since - self._asked
            self._asked = None

    def ends(self) -> bool:
        """An epoch is over; whether to make a checkpoint now."""
        now = self._clock()
        due = now - self._since >= self._cost_s / self.SHARE
        if due:
            self._asked = now
        return due


class Trial(tune.Trainable):
    """A trial on one worker, in a process that the next trial reuses."""

    def setup(self, config: dict[str, Any], experiment: Experiment, variants: Variants) -> None:
        self.experiment, self.variants = experiment, variants
        settle(experiment)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._due = Due()
        chosen = override(self.experiment, settings_of(config))
        device = "cuda" if chosen.cluster.gpus_per_worker else "cpu"
        prepared = self.variants.of(settings_of(config))
        self.learner = Learner(chosen, prepared, device=device)

    def step(self) -> dict[str, Any]:
        """An epoch; or, where epochs are short, as many as half a second holds, which saves Ray
        Tune's round trips. Never past an epoch at which the scheduler decides."""
        self._due.begins()
        began = time.monotonic()
        told: list[dict[str, float]] = []
        sweep, epochs = self.experiment.sweep, self.learner.training.epochs
        while True:
            try:
                told.append(self.learner.train_epoch())
            except DivergedError as error:
                worst = {sweep.metric: -math.inf if sweep.mode == "max" else math.inf}
                worst["epoch"] = float(self.learner.epoch)
                return {"epochs": told, "metrics": worst, "verdict": str(error), "done": True}
            finished = self.learner.finished
            decided = sweep.decides_at(self.learner.epoch, epochs)
            if finished or decided or time.monotonic() - began > _TOGETHER_S:
                break
        result = {"epochs": told, "metrics": told[-1], "finished": finished, "done": finished}
        return result | {SHOULD_CHECKPOINT: not finished and self._due.ends()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        if self.learner.best_weights:
            self.learner.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: str) -> None:
        if (Path(checkpoint) / "state.pt").exists():
            self.learner.load(Path(checkpoint))


def tune_over_train(config: dict[str, Any], experiment: Experiment, variants: Variants) -> None:
    """A trial on several workers: a Ray Tune function that runs a TorchTrainer."""
    chosen = override(experiment, settings_of(config))
    name = f"trial-{tune.get_context().get_trial_id()}"
    storage = checkpoint_folder(experiment)
    prepared = variants.of(settings_of(config))
    make_trainer(chosen, prepared, name, storage, TuneReportCallback()).fit()


def conclude_on_cluster(experiment: Experiment, prepared: Prepared, weights: bytes) -> Outcome:
    """`conclude`, on a node that has what a worker needs (a GPU, say).

    In this process, where that is this machine and needs no GPU: a process of its own would load
    libraries for seconds to evaluate for a fraction of one.
    """
    if not experiment.cluster.joins and not experiment.cluster.gpus_per_worker:
        return conclude(experiment, prepared, weights)
    resources = worker_resources(experiment)
    task = _conclude.options(
        num_cpus=resources["CPU"],
        num_gpus=resources.get("GPU", 0),
        resources=experiment.cluster.worker_resources or None,
    )
    outcome: Outcome = ray.get(task.remote(experiment, prepared, weights))
    return outcome


@ray.remote(max_retries=2)
def _conclude(experiment: Experiment, prepared: Prepared, weights: bytes) -> Outcome:
    settle(experiment)
    return conclude(experiment, prepared, weights)


def worker_resources(experiment: Experiment) -> dict[str, float]:
    """What one worker holds in Ray's accounts."""
    cluster = experiment.cluster
    gpus = {"GPU": cluster.gpus_per_worker} if cluster.gpus_per_worker else {}
    return {"CPU": cluster.cpus_per_worker, **gpus, **cluster.worker_resources}


def checkpoint_folder(experiment: Experiment) -> str:
    """Where the checkpoints of a training or sweep go while it runs."""
    return experiment.cluster.storage or str((HOME / "checkpoints").resolve())


def _files(storage: str) -> tuple[FileSystem, str]:
    """The file system that checkpoints are in, and their folder there."""
    return FileSystem.from_uri(storage) if "://" in storage else (LocalFileSystem(), storage)


def best_weights(storage: str, checkpoint: str) -> bytes:
    """The weights of the best epoch in a checkpoint, which is a path in storage's file system."""
    with _files(storage)[0].open_input_file(f"{checkpoint}/best.safetensors") as file:
        return bytes(file.read())


def discard_checkpoint(storage: str, checkpoint: str) -> None:
    """Remove one checkpoint, a path in storage's file system; what resists stays."""
    with contextlib.suppress(OSError):
        _files(storage)[0].delete_dir(checkpoint)


def discard_checkpoints(storage: str, run_id: str) -> None:
    """Remove the checkpoints of a run that has ended, wherever they are; what resists stays."""
    with contextlib.suppress(OSError):
        files, folder = _files(storage)
        files.delete_dir(f"{folder}/{run_id}")


def settle(experiment: Experiment) -> None:
    """Make this process one that trains: with as many threads as it holds CPUs, since more would
    take turns on the same cores, and with memory that stays its own."""
    torch.set_num_threads(max(1, round(experiment.cluster.cpus_per_worker)))
    heap.keep_freed()


def settings_of(config: Mapping[str, Any]) -> Settings:
    """The settings of a trial from what Ray Tune hands it."""
    return dict(config["settings"]) if "settings" in config else dict(config)
