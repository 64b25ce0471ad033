"""`train`: prepare the data, train on one worker or several, record, keep the best epoch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace

import ray.train
from ray.exceptions import RayTaskError
from safetensors.torch import save

from nets import Net, TrainingConfig, best_epoch
from nets.step_profile import describe_profile
from tracking import Recorder, TrackingError
from workbench.bridge import Prepared
from workbench.cluster import Session, name_lost_ray
from workbench.experiments.experiment import Experiment
from workbench.progress import EpochPart, Progress, Silent
from workbench.results import TrainResult
from workbench.training import one_worker, provenance
from workbench.training.causes import find_cause, find_points
from workbench.training.checkpoints import HISTORY_BYTES, PART_S, checkpoint_folder
from workbench.training.checks import check_before_start, check_prepared, describe_large_batch
from workbench.training.epochs import describe_long_epochs, plan_of
from workbench.training.evaluation import TrainedModel
from workbench.training.learner import cpu_state, new_net
from workbench.training.one_worker import train_on_one
from workbench.training.partial import judge_partial, list_limits
from workbench.training.preparing import prepare_experiment, session_for
from workbench.training.recording import (
    Part,
    default_recorder,
    record_bytes,
    record_data,
    record_model,
    rows_of,
    step_metrics,
)
from workbench.training.several_workers import train_on_several
from workbench.training.start_from import add_start
from workbench.training.verdicts import find_never_predicted, judge


def train(
    experiment: Experiment,
    *,
    session: Session | None = None,
    recorder: Recorder | None = None,
    progress: Progress | None = None,
    prepared: Prepared | None = None,
    recorded: bool = False,
) -> TrainResult:
    """Prepare the data, train on `experiment.cluster.num_workers` workers, record, keep the best.

    Args:
        session: Ray and Spark to use; None: started for this training and stopped after it.
        recorder: where the run is written; None: the MLflow store of MLFLOW_TRACKING_URI.
        prepared: data of the same session to train on, from `bridge.prepare_table`; None:
            `experiment.data` is prepared.
        recorded: whether the experiment is a run's record. Settings of it that change nothing are
            noted instead of refused.

    Raises:
        ConfigError: the net does not fit the data, or a setting breaks a rule.
        DataError, ClusterError: the data or the cluster cannot be used.
        TrainingError: the training failed more than `cluster.max_failures` times, or diverged.
    """
    notes = check_before_start(experiment, reads_source=prepared is None, recorded=recorded)
    progress = progress or Silent()
    recorder = recorder or default_recorder()
    # One worker keeps its state in Ray's object store.
    shares = experiment.cluster.num_workers > 1 or experiment.cluster.storage
    folder = checkpoint_folder(experiment) if shares else None
    own = session_for(experiment, progress=progress, checkpoints=folder)
    with nullcontext(session) if session else own as session:
        session.check(experiment.cluster, checkpoints=folder)
        if experiment.cluster.num_workers == 1:
            one_worker.start(session, experiment.cluster)
        else:
            session.end_idle_workers()

        if prepared is None:
            prepared = prepare_experiment(experiment, session, progress)
        else:
            prepared = add_start(experiment, prepared)
        net = new_net(experiment, prepared)  # an impossible net is refused before a run exists
        notes += check_prepared(experiment, prepared, recorded=recorded)
        rows = prepared.splits["train"].num_rows
        if large := describe_large_batch(experiment.training.batch_size, rows):
            notes.append(large)
        notes = list(dict.fromkeys(notes))
        for note in notes:
            progress.note(note)
        partial = "-partial" if list_limits(experiment.training) else ""
        run_id = recorder.start(
            experiment.name,
            f"{experiment.name}{partial}-{time.strftime('%m%d-%H%M%S')}",
            params=provenance.params(experiment),
            tags=provenance.tags(experiment, "train", prepared.fingerprint)
            | provenance.describe_data(experiment, prepared),
        )
        with close_run(recorder, run_id), name_lost_ray(session.ray_address):
            record_data(recorder, run_id, experiment, prepared)
            if notes:
                recorder.tags(run_id, {"workbench.notes": " ".join(notes)})
            return _train(experiment, net, prepared, session, recorder, run_id, progress)


@contextmanager
def close_run(recorder: Recorder, run_id: str) -> Iterator[None]:
    """Set the run's final status by how the block ends; no run stays RUNNING."""
    try:
        yield
    except KeyboardInterrupt:
        recorder.finish(run_id, "KILLED")
        raise
    except BaseException as error:
        # If the store itself failed, its first error is the one to show. The run is marked at the
        # next start.
        with suppress(TrackingError):
            recorder.tags(run_id, {"workbench.error": str(error)[:4000]})
            recorder.finish(run_id, "FAILED")
        raise
    recorder.finish(run_id, "FINISHED")


def _train(
    experiment: Experiment,
    net: Net,
    prepared: Prepared,
    session: Session,
    recorder: Recorder,
    run_id: str,
    progress: Progress,
) -> TrainResult:
    """Train and record every epoch and the model; `net` has the weights that it begins with."""
    history: list[dict[str, float]] = []
    epochs = experiment.training.epochs
    progress.stage("Starting the training")
    state = cpu_state(net)
    keep = sum(value.nbytes for value in state.values()) * (epochs + 1) <= HISTORY_BYTES
    if keep:
        record_bytes(recorder, run_id, "checkpoints/epoch_0000.safetensors", save(state))

    plan = plan_of(experiment, prepared)
    # Known before a worker reports: a training that fails in its first epoch has its curve by step.
    recorder.tags(run_id, {"workbench.used.steps_per_epoch": str(plan.steps_per_epoch)})
    used: dict[str, str] = {}

    def record_use(now: dict[str, str]) -> None:
        if now != used:  # at first, and after a worker was started elsewhere
            used.update(now)
            recorder.tags(run_id, used)

    def record_epoch(
        metrics: dict[str, float], weights: bytes | None, used_now: dict[str, str]
    ) -> None:
        epoch = int(metrics["epoch"])
        if any(known["epoch"] == epoch for known in history):
            return  # a worker that goes on reports the last epoch of its checkpoint again
        record_use(used_now)
        history.append(metrics)
        recorder.metrics(run_id, metrics, epoch)
        if weights is not None and keep:
            path = f"checkpoints/epoch_{epoch:04d}.safetensors"
            record_bytes(recorder, run_id, path, weights)
        progress.epoch(experiment.name, epoch, epochs, metrics)

    last: list[tuple[float, int, int]] = []

    def record_part(part: Part) -> None:
        """Record the loss by step, and show how far a long epoch has come."""
        record_use(part.used)
        for point in part.points:
            recorder.metrics(run_id, step_metrics(point), point.step)
        if part.rows is None:
            return
        epoch, now = len(history) + 1, time.monotonic()
        rate = part.rows / PART_S
        if last and last[-1][1] == epoch:
            rate = (part.rows - last[-1][2]) / max(now - last[-1][0], 1e-6)
        if not last and (text := describe_long_epochs(experiment, plan.rows, rate)):
            progress.note(text)
        last[:] = [(now, epoch, part.rows)]
        loss = part.points[-1].loss if part.points else None
        progress.epoch_part(
            EpochPart(experiment.name, epoch, epochs, part.rows, plan.rows, rate, loss)
        )

    try:
        if experiment.cluster.num_workers == 1:
            model = train_on_one(
                experiment,
                prepared,
                session,
                record_epoch,
                record_part=record_part,
                note=progress.note,
            )
        else:
            model = train_on_several(
                experiment,
                prepared,
                checkpoint_folder(experiment),
                run_id,
                record_epoch,
                record_part,
                progress,
            )
    except (RayTaskError, ray.train.TrainingFailedError) as error:
        for point in find_points(error):
            recorder.metrics(run_id, step_metrics(point), point.step)
        raise find_cause(error) from error
    record_model(recorder, run_id, model, prepared)
    progress.stage_done()
    result = _result(experiment.training, run_id, history, model)
    verdicts = judge_run(experiment, result, history, model, rows_of(prepared))
    if verdicts:
        recorder.tags(run_id, {"workbench.verdicts": "\n".join(verdicts)[:4000]})
    return replace(result, verdicts=verdicts)


def judge_run(
    experiment: Experiment,
    result: TrainResult,
    history: list[dict[str, float]],
    model: TrainedModel,
    rows: dict[str, int],
) -> tuple[str, ...]:
    """The verdicts on a finished run, as texts."""
    training = experiment.training
    profile = describe_profile(history)
    asked = (profile,) if profile else ()
    if (shown := judge_partial(training, history)) is not None:
        return (shown, *asked)
    missed: list[str] = []
    for path, content in model.files.items():
        if path.startswith("evaluation/") and path.endswith(".json"):
            missed = find_never_predicted(json.loads(content))
    found = judge(
        history,
        result.metrics,
        epochs=training.epochs,
        best_epoch=result.best_epoch,
        patience=training.patience,
        schedule=training.schedule_name,
        has_classes=model.labels is not None,
        wide=bool(experiment.net.wide) if hasattr(experiment.net, "wide") else None,
        never_predicted=missed,
        rows=rows,
    )
    return (*(verdict.text for verdict in found), *asked)


def _result(
    config: TrainingConfig, run_id: str, history: list[dict[str, float]], model: TrainedModel
) -> TrainResult:
    by_epoch = {int(metrics["epoch"]): metrics for metrics in history}
    monitor = config.monitor
    values = [
        (epoch, metrics[monitor]) for epoch, metrics in by_epoch.items() if monitor in metrics
    ]
    # Without validation rows the last epoch is kept.
    chosen = best_epoch(values, config.mode) or (max(by_epoch), None)
    metrics = {name: value for name, value in by_epoch[chosen[0]].items() if name != "epoch"}
    return TrainResult(
        run_id=run_id,
        epochs=max(by_epoch),
        best_epoch=chosen[0],
        metrics=metrics | model.metrics,
    )
