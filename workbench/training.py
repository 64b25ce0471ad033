"""Training through Ray Train: any number of workers, CPU or GPU, with nothing lost on the way."""

from __future__ import annotations

import queue as queues
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray import tune
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.callback import UserCallback
from ray.tune.integration.ray_train import TuneReportCallback
from ray.util.queue import Queue
from safetensors.torch import save

from nets import DivergedError
from nets.config import override
from nets.fit import Evaluation
from tracking import Recorder
from workbench import provenance
from workbench.bridge import Prepared, prepare
from workbench.cluster.bench import HOME, Bench
from workbench.cluster.bench import bench as open_bench
from workbench.errors import TrainingError
from workbench.experiment import Experiment
from workbench.learner import Learner, cpu_state, new_net
from workbench.outcome import Outcome, conclude
from workbench.progress import Progress, Silent
from workbench.recording import default_recorder, record_bytes, record_data, record_outcome
from workbench.trials import settings_of

HISTORY_BYTES = 64 * 2**20
"""Weights of every epoch are kept in the run while all epochs together stay below this."""


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """A finished training."""

    run_id: str
    """Its run in MLflow."""
    epochs: int
    """Epochs trained."""
    best_epoch: int
    """The epoch whose weights were kept."""
    metrics: dict[str, float]
    """Those of the best epoch, and test/... of its weights."""


def train(
    experiment: Experiment,
    *,
    bench: Bench | None = None,
    recorder: Recorder | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Prepare the data, train on `experiment.cluster.num_workers` workers, record, keep the best.

    Args:
        bench: Ray and Spark to use; None: started for this training and stopped after it.
        recorder: where the run is written; None: the MLflow store of MLFLOW_TRACKING_URI.

    Raises:
        ConfigError: the net does not fit the data, or a setting breaks a rule.
        DataError, ClusterError: the data or the cluster cannot be used.
        TrainingError: the training failed more than `cluster.max_failures` times, or diverged.
    """
    progress = progress or Silent()
    recorder = recorder or default_recorder()
    opened = nullcontext(bench) if bench else open_bench(experiment.cluster, progress=progress)
    with opened as bench:
        prepared = prepare(experiment.data, experiment.preparation, bench, progress=progress)
        new_net(experiment, prepared)  # an impossible net is refused before a run exists
        run_id = recorder.start(
            experiment.name,
            f"{experiment.name}-{time.strftime('%m%d-%H%M%S')}",
            params=provenance.params(experiment),
            tags=provenance.tags(experiment, "train", prepared.fingerprint),
        )
        with finishing(recorder, run_id):
            record_data(recorder, run_id, experiment, prepared)
            return _train(experiment, prepared, recorder, run_id, progress)


@contextmanager
def finishing(recorder: Recorder, run_id: str) -> Iterator[None]:
    """The run's final status from how the block ends; a run is never left RUNNING."""
    try:
        yield
    except KeyboardInterrupt:
        recorder.finish(run_id, "KILLED")
        raise
    except BaseException as error:
        recorder.tags(run_id, {"workbench.error": str(error)[:4000]})
        recorder.finish(run_id, "FAILED")
        raise
    recorder.finish(run_id, "FINISHED")


def _train(
    experiment: Experiment,
    prepared: Prepared,
    recorder: Recorder,
    run_id: str,
    progress: Progress,
) -> TrainResult:
    storage = checkpoint_folder(experiment)
    mail = Queue(actor_options={"num_cpus": 0})
    history: list[dict[str, float]] = []
    progress.stage("Starting the training workers")
    keep = _keeps_history(experiment, prepared)
    if keep:
        weights = save(cpu_state(new_net(experiment, prepared)))
        record_bytes(recorder, run_id, "checkpoints/epoch_0000.safetensors", weights)

    def received(metrics: dict[str, float], weights: bytes | None) -> None:
        epoch = int(metrics.pop("epoch"))
        history.append({**metrics, "epoch": epoch})
        recorder.metrics(run_id, metrics, epoch)
        if weights is not None and keep:
            path = f"checkpoints/epoch_{epoch:04d}.safetensors"
            record_bytes(recorder, run_id, path, weights)
        progress.epoch(experiment.name, epoch, experiment.training.epochs, metrics)

    trainer = _trainer(experiment, prepared, run_id, storage, _Mail(mail))
    try:
        with _reading(mail, received):
            result = trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise _explained(error) from error
    finally:
        mail.shutdown()
    if result.checkpoint is None:
        raise TrainingError("The training ended before its first epoch was complete.")
    progress.stage("Evaluating the best epoch on the test split")
    with result.checkpoint.as_directory() as folder:
        weights = (Path(folder) / "best.safetensors").read_bytes()
    outcome = conclude_on_cluster(experiment, prepared, weights)
    record_outcome(recorder, run_id, outcome, prepared)
    shutil.rmtree(Path(storage) / run_id, ignore_errors=True)
    progress.stage_done()
    return _result(experiment, run_id, history, outcome)


def _trainer(
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


def tune_over_train(config: dict[str, Any], experiment: Experiment, prepared: Prepared) -> None:
    """A trial on several workers: a Ray Tune function that runs a TorchTrainer."""
    chosen = override(experiment, settings_of(config))
    name = f"trial-{tune.get_context().get_trial_id()}"
    storage = checkpoint_folder(experiment)
    _trainer(chosen, prepared, name, storage, TuneReportCallback()).fit()


def _result(
    experiment: Experiment, run_id: str, history: list[dict[str, float]], outcome: Outcome
) -> TrainResult:
    monitor, mode = experiment.training.monitor, experiment.training.mode
    choose = min if mode == "min" else max
    best = choose(history, key=lambda metrics: metrics[monitor])
    return TrainResult(
        run_id=run_id,
        epochs=int(max(metrics["epoch"] for metrics in history)),
        best_epoch=int(best["epoch"]),
        metrics={name: value for name, value in best.items() if name != "epoch"} | outcome.metrics,
    )


def worker_resources(experiment: Experiment) -> dict[str, float]:
    """What one worker holds in Ray's accounts."""
    cluster = experiment.cluster
    gpus = {"GPU": cluster.gpus_per_worker} if cluster.gpus_per_worker else {}
    return {"CPU": cluster.cpus_per_worker, **gpus}


def checkpoint_folder(experiment: Experiment) -> str:
    """Where the checkpoints of a training or sweep go while it runs."""
    return experiment.cluster.storage or str((HOME / "checkpoints").resolve())


def use_cpus(experiment: Experiment) -> None:
    """As many threads as the worker holds CPUs: more would take turns on the same cores."""
    torch.set_num_threads(max(1, round(experiment.cluster.cpus_per_worker)))


def train_worker(config: dict[str, Any]) -> None:
    """What each Ray Train worker runs: epochs, each reported with a checkpoint by rank 0."""
    experiment, prepared = config["experiment"], config["prepared"]
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    use_cpus(experiment)
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


class _Mail(UserCallback):
    """Sends each report, once its checkpoint is stored, from the controller to the driver."""

    def __init__(self, mail: Queue) -> None:
        self.mail = mail

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


@contextmanager
def _reading(mail: Queue, received: Any) -> Iterator[None]:
    """Hand on the mail while the block runs, and all that is left of it at the end."""
    over = threading.Event()
    failed: list[BaseException] = []

    def read() -> None:
        while True:
            last = over.is_set()
            try:
                batch = mail.get_nowait_batch(mail.qsize())
            except queues.Empty:
                batch = []
            try:
                for metrics, weights in batch:
                    received(metrics, weights)
            except BaseException as error:
                failed.append(error)
                return
            if last:
                return
            over.wait(0.2)

    reader = threading.Thread(target=read, name="mail", daemon=True)
    reader.start()
    try:
        yield
    finally:
        over.set()
        reader.join(timeout=60)
    if failed:
        raise failed[0]


def _explained(error: Exception) -> TrainingError:
    """The worker's own error, found below Ray Train's wrapping of it."""
    workers = getattr(error, "worker_failures", {}) or {}
    for failure in workers.values():
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, DivergedError):
                return TrainingError(str(cause))
            cause = cause.__cause__ or getattr(cause, "cause", None)
    first = str(next(iter(workers.values()), error)).strip().splitlines()
    return TrainingError(f"The training failed: {first[-1] if first else error}")


def conclude_on_cluster(experiment: Experiment, prepared: Prepared, weights: bytes) -> Outcome:
    """`conclude`, on a node that has what a worker needs (a GPU, say)."""
    resources = worker_resources(experiment)
    task = _conclude.options(num_cpus=resources["CPU"], num_gpus=resources.get("GPU", 0))
    return ray.get(task.remote(experiment, prepared, weights))


@ray.remote(max_retries=2)
def _conclude(experiment: Experiment, prepared: Prepared, weights: bytes) -> Outcome:
    use_cpus(experiment)
    return conclude(experiment, prepared, weights)


def _keeps_history(experiment: Experiment, prepared: Prepared) -> bool:
    state = new_net(experiment, prepared).state_dict()
    num_bytes = sum(value.numel() * value.element_size() for value in state.values())
    return num_bytes * (experiment.training.epochs + 1) <= HISTORY_BYTES
