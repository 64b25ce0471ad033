"""A training on several workers: Ray Train runs the workers, this process records what they report."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ray.train
from ray.exceptions import RayActorError
from ray.util.queue import Queue

from workbench.bridge import Prepared
from workbench.errors import TrainingError, too_many_deaths
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.training.checkpoints import PART_S, discard_checkpoints
from workbench.training.evaluation import TrainedModel, evaluate_on_cluster
from workbench.training.ray_train import ReportSender, make_trainer
from workbench.training.recording import Part, RecordEpoch, RecordPart


def train_on_several(
    experiment: Experiment,
    prepared: Prepared,
    storage: str,
    run_id: str,
    record_epoch: RecordEpoch,
    record_part: RecordPart,
    progress: Progress,
) -> TrainedModel:
    """Train to the end.

    Ray Train starts failed workers again, up to `cluster.max_failures` times. If Ray Train's controller
    dies, another fit of the same name continues after the last checkpoint.

    Args:
        storage: folder or URL for checkpoints.
    """
    allowed = experiment.cluster.max_failures
    deaths = 0
    while True:
        try:
            result = _fit(
                experiment, prepared, storage, run_id, record_epoch, record_part, progress
            )
            break
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
    model = evaluate_on_cluster(experiment, prepared, weights)
    discard_checkpoints(storage, run_id)
    return model


def _fit(
    experiment: Experiment,
    prepared: Prepared,
    storage: str,
    run_id: str,
    record_epoch: RecordEpoch,
    record_part: RecordPart,
    progress: Progress,
) -> ray.train.Result:
    reports = Queue(actor_options={"num_cpus": 0})
    try:
        with _handle_reports(reports, record_epoch, record_part, progress.note):
            return make_trainer(
                experiment, prepared, run_id, storage, ReportSender(reports), part_s=PART_S
            ).fit()
    finally:
        reports.shutdown()


@contextmanager
def _handle_reports(
    reports: Queue,
    record_epoch: RecordEpoch,
    record_part: RecordPart,
    note: Callable[[str], None],
) -> Iterator[None]:
    """Handle reports in a thread while the block runs, and those that are left when it ends."""
    over = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        while True:
            last = over.is_set()
            try:
                batch = reports.get_nowait_batch(reports.qsize())
            except queue.Empty:
                batch = []
            try:
                for report in batch:
                    if isinstance(report, str):
                        note(report)
                    elif isinstance(report, Part):
                        record_part(report)
                    else:
                        record_epoch(*report)
            except BaseException as error:
                errors.append(error)
                return
            if last:
                return
            over.wait(0.2)

    thread = threading.Thread(target=run, name="reports", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=60)
    if errors:
        raise errors[0]
