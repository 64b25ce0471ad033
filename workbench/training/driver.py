"""Training: one worker in a process that stays warm, several through Ray Train; CPU or GPU, with
nothing lost on the way."""

from __future__ import annotations

import queue as queues
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import ray.train
from ray.exceptions import RayActorError, RayTaskError
from ray.util.queue import Queue
from safetensors.torch import save

from nets import DivergedError, best_epoch
from tracking import Recorder, TrackingError
from workbench.bridge import Prepared, RecoverableData, prepare
from workbench.cluster import Session, open_session
from workbench.errors import TrainingError, too_many_deaths
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress, Silent
from workbench.results import TrainResult
from workbench.training import one_worker, provenance
from workbench.training.checkpoints import HISTORY_BYTES, checkpoint_folder, discard_checkpoints
from workbench.training.evaluation import Outcome, conclude_on_cluster
from workbench.training.learner import cpu_state, new_net
from workbench.training.ray_train import Mail, make_trainer
from workbench.training.recording import default_recorder, record_bytes, record_data, record_outcome


def train(
    experiment: Experiment,
    *,
    session: Session | None = None,
    recorder: Recorder | None = None,
    progress: Progress | None = None,
    prepared: Prepared | None = None,
) -> TrainResult:
    """Prepare the data, train on `experiment.cluster.num_workers` workers, record, keep the best.

    Args:
        session: Ray and Spark to use; None: started for this training and stopped after it.
        recorder: where the run is written; None: the MLflow store of MLFLOW_TRACKING_URI.
        prepared: data of the same session to train on, from `bridge.prepare_table`; None:
            `experiment.data` is prepared.

    Raises:
        ConfigError: the net does not fit the data, or a setting breaks a rule.
        DataError, ClusterError: the data or the cluster cannot be used.
        TrainingError: the training failed more than `cluster.max_failures` times, or diverged.
    """
    progress = progress or Silent()
    recorder = recorder or default_recorder()
    # One worker keeps its state in Ray's object store.
    folder = checkpoint_folder(experiment) if experiment.cluster.num_workers > 1 else None
    own = open_session(experiment.cluster, progress=progress, checkpoints=folder)
    with nullcontext(session) if session else own as session:
        session.check(experiment.cluster, checkpoints=folder)
        if experiment.cluster.num_workers == 1:
            one_worker.start(session, experiment.cluster)
        else:
            session.end_idle_workers()

        def again() -> Prepared:
            return prepare(experiment.data, experiment.preparation, session, progress=progress)

        data = RecoverableData(prepared, None) if prepared else RecoverableData(again(), again)
        prepared = data.prepared
        new_net(experiment, prepared)  # an impossible net is refused before a run exists
        run_id = recorder.start(
            experiment.name,
            f"{experiment.name}-{time.strftime('%m%d-%H%M%S')}",
            params=provenance.params(experiment),
            tags=provenance.tags(experiment, "train", prepared.fingerprint),
        )
        with finishing(recorder, run_id):
            record_data(recorder, run_id, experiment, prepared)
            return _train(experiment, data, session, recorder, run_id, progress)


@contextmanager
def finishing(recorder: Recorder, run_id: str) -> Iterator[None]:
    """The run's final status from how the block ends; a run is never left RUNNING."""
    try:
        yield
    except KeyboardInterrupt:
        recorder.finish(run_id, "KILLED")
        raise
    except BaseException as error:
        # Where the store itself is what failed, its first error is the one to show; the run is
        # marked at the next start.
        with suppress(TrackingError):
            recorder.tags(run_id, {"workbench.error": str(error)[:4000]})
            recorder.finish(run_id, "FAILED")
        raise
    recorder.finish(run_id, "FINISHED")


def _train(
    experiment: Experiment,
    data: RecoverableData,
    session: Session,
    recorder: Recorder,
    run_id: str,
    progress: Progress,
) -> TrainResult:
    history: list[dict[str, float]] = []
    progress.stage("Starting the training")
    keep = _keeps_history(experiment, data.prepared)
    if keep:
        weights = save(cpu_state(new_net(experiment, data.prepared)))
        record_bytes(recorder, run_id, "checkpoints/epoch_0000.safetensors", weights)

    def received(metrics: dict[str, float], weights: bytes | None) -> None:
        epoch = int(metrics["epoch"])
        history.append(metrics)
        recorder.metrics(run_id, metrics, epoch)
        if weights is not None and keep:
            path = f"checkpoints/epoch_{epoch:04d}.safetensors"
            record_bytes(recorder, run_id, path, weights)
        progress.epoch(experiment.name, epoch, experiment.training.epochs, metrics)

    try:
        if experiment.cluster.num_workers == 1:
            outcome = one_worker.train_on_one(
                experiment, data, session, received, note=progress.note
            )
        else:
            outcome = _train_on_several(experiment, data, run_id, received, progress)
    except (RayTaskError, ray.train.TrainingFailedError) as error:
        raise _explained(error) from error
    record_outcome(recorder, run_id, outcome, data.prepared)
    progress.stage_done()
    return _result(experiment, run_id, history, outcome)


def _train_on_several(
    experiment: Experiment,
    data: RecoverableData,
    run_id: str,
    received: Callable[[dict[str, float], bytes | None], None],
    progress: Progress,
) -> Outcome:
    """Workers that fail are Ray Train's business; what it runs them by, and their data, are ours.

    A training of the same name goes on after its last checkpoint.
    """
    storage = checkpoint_folder(experiment)
    allowed = experiment.cluster.max_failures
    deaths = losses = 0
    while True:
        try:
            result = _fit(experiment, data.prepared, run_id, received, progress)
            break
        except ray.train.TrainingFailedError:
            losses += 1
            if losses > max(1, allowed) or not data.restore():  # once whatever is allowed
                raise
        except RayActorError as error:
            deaths += 1
            if deaths > allowed:
                raise too_many_deaths("Ray Train's controller", deaths, allowed, error) from error
            progress.note(
                "Ray Train's controller died; another one goes on after the last checkpoint."
            )
    if result.checkpoint is None:
        raise TrainingError("The training ended before its first epoch was complete.")
    progress.stage("Evaluating the best epoch on the test split")
    with result.checkpoint.as_directory() as folder:
        weights = (Path(folder) / "best.safetensors").read_bytes()
    outcome = conclude_on_cluster(experiment, data.prepared, weights)
    discard_checkpoints(storage, run_id)
    return outcome


def _fit(
    experiment: Experiment,
    prepared: Prepared,
    run_id: str,
    received: Callable[[dict[str, float], bytes | None], None],
    progress: Progress,
) -> ray.train.Result:
    mail = Queue(actor_options={"num_cpus": 0})
    storage = checkpoint_folder(experiment)
    try:
        with _reading(mail, received, progress.note):
            return make_trainer(experiment, prepared, run_id, storage, Mail(mail)).fit()
    finally:
        mail.shutdown()


def _result(
    experiment: Experiment, run_id: str, history: list[dict[str, float]], outcome: Outcome
) -> TrainResult:
    by_epoch = {int(metrics["epoch"]): metrics for metrics in history}
    monitor = experiment.training.monitor
    values = ((epoch, metrics[monitor]) for epoch, metrics in by_epoch.items())
    best = best_epoch(values, experiment.training.mode)
    assert best is not None, f"no epoch has a {monitor}"  # the learner kept the weights of one
    metrics = {name: value for name, value in by_epoch[best[0]].items() if name != "epoch"}
    return TrainResult(
        run_id=run_id,
        epochs=max(by_epoch),
        best_epoch=best[0],
        metrics=metrics | outcome.metrics,
    )


@contextmanager
def _reading(mail: Queue, received: Any, note: Callable[[str], None]) -> Iterator[None]:
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
                for letter in batch:
                    note(letter) if isinstance(letter, str) else received(*letter)
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
    """The worker's own error, found below the wrapping that Ray gives it."""
    workers = list((getattr(error, "worker_failures", None) or {0: error}).values())
    for failure in workers:
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, DivergedError):
                return TrainingError(str(getattr(cause, "cause", cause)))
            cause = cause.__cause__ or getattr(cause, "cause", None)
    lines = str(workers[0]).strip().splitlines()
    text = lines[-1] if lines else str(error)
    if "No space left" in str(error):
        text += ". Free some, or set cluster.storage to a folder on another disk for checkpoints."
    return TrainingError(f"The training failed: {text}")


def _keeps_history(experiment: Experiment, prepared: Prepared) -> bool:
    state = new_net(experiment, prepared).state_dict()
    num_bytes = sum(value.numel() * value.element_size() for value in state.values())
    return num_bytes * (experiment.training.epochs + 1) <= HISTORY_BYTES
