"""Training on one worker, in a process that stays for the next training.

Ray Train starts a controller and workers for each fit, which takes longer than many a training. Here an
actor trains one epoch at a time, or a part of a long one. After each it leaves its state in Ray's object
store, so that another process can continue if this one dies.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ray
import torch
from ray.exceptions import ObjectLostError, RayActorError
from safetensors.torch import save

from nets.rate_range import RateCurve
from workbench import heap
from workbench.bridge import Prepared
from workbench.cluster import ClusterConfig, Session
from workbench.errors import TrainingError, too_many_deaths
from workbench.experiments.experiment import Experiment
from workbench.training.checkpoints import HISTORY_BYTES, PART_S
from workbench.training.evaluation import TrainedModel, evaluate_best
from workbench.training.learner import Learner
from workbench.training.process import prepare_process
from workbench.training.rates import measure_rates
from workbench.training.recording import Part, RecordEpoch, RecordPart

_OUT_OF_MEMORY = "Out of memory, perhaps: lower training.batch_size or the net's size. "

State = dict[str, bytes]
"""What `Learner.save` wrote: file name to content."""


class Report(NamedTuple):
    """What the worker reports of an epoch."""

    metrics: dict[str, float] | None
    """None: the epoch goes on."""
    part: Part
    finished: bool
    weights: bytes | None
    """The net after this epoch, as safetensors; None if they are too large to keep."""
    node: str
    """Id of the Ray node that the state is on."""


class TrainingWorker:
    """The actor: one training after another in one process."""

    def __init__(self) -> None:
        self.learner: Learner | None = None

    def begin(self, experiment: Experiment, prepared: Prepared, state: State | None = None) -> bool:
        """Begin a training, or continue one from `state`. Returns whether it is complete."""
        prepare_process(experiment)
        self.experiment, self.prepared = experiment, prepared
        device = "cuda" if experiment.cluster.gpus_per_worker else "cpu"
        self.learner = Learner(experiment, prepared, device=device)
        if state is not None:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in state.items():
                    (Path(folder) / name).write_bytes(content)
                self.learner.load(Path(folder))
        return self.learner.finished

    @ray.method(num_returns=2)
    def train(self, max_seconds: float) -> tuple[Report, State]:
        """Train one epoch, or a part of a long one."""
        assert self.learner is not None, "begin comes first"
        complete = self.learner.train_part(max_seconds)
        rows = None if complete else self.learner.fit.rows
        metrics = self.learner.train_epoch() if complete else None
        part = Part(rows, self.learner.fit.take_points(), self.learner.describe_use())
        with tempfile.TemporaryDirectory() as folder:
            self.learner.save(Path(folder))
            state = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        last = state["last.safetensors"]
        weights = last if complete and len(last) < HISTORY_BYTES else None
        node = ray.get_runtime_context().get_node_id()
        return Report(metrics, part, self.learner.finished, weights, node), state

    def evaluate_best(self) -> TrainedModel:
        """Evaluate the best epoch's weights on the test split."""
        assert self.learner is not None, "begin comes first"
        return evaluate_best(self.experiment, self.prepared, save(self.learner.best_weights))

    def measure_rates(
        self, experiment: Experiment, prepared: Prepared, rates: Sequence[float]
    ) -> tuple[RateCurve, dict[str, str]]:
        """The loss of a net that is thrown away at these rates, and the tags of what was used."""
        self.learner = None
        self.experiment, self.prepared = experiment, prepared
        prepare_process(experiment)
        return measure_rates(experiment, prepared, rates)

    def release(self) -> None:
        """Free the net and the data."""
        self.learner = None
        del self.experiment, self.prepared
        gc.collect()
        heap.release_freed_memory()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def start(session: Session, config: ClusterConfig) -> None:
    """Start a worker's process in the background if there is room for it."""
    if session.has_room(config.cpus_per_worker):
        _get_worker(session, config)


def train_on_one(
    experiment: Experiment,
    prepared: Prepared,
    session: Session,
    record_epoch: RecordEpoch,
    *,
    record_part: RecordPart,
    note: Callable[[str], None],
) -> TrainedModel:
    """Train to the end; `record_epoch` gets the metrics and weights of each epoch, once.

    Args:
        record_part: gets each part of an epoch; an epoch that does not take long has one.
        note: gets a line for every failure after which the training continues.

    Raises:
        TrainingError: the process died more than `cluster.max_failures` times.
        RayTaskError: the training failed; its cause is the worker's own error.
    """
    state: list[Any] = []
    allowed = experiment.cluster.max_failures
    deaths = losses = 0
    while True:
        worker = _get_worker(session, experiment.cluster)
        try:
            model = _train_from(worker, experiment, prepared, state, record_epoch, record_part)
            worker.release.remote()
            return model
        except RayActorError as error:
            session.end_idle_workers()
            deaths += 1
            if deaths > allowed:
                raise too_many_deaths(
                    "The training's process", deaths, allowed, error, _OUT_OF_MEMORY
                ) from error
            where = "after its last saved step" if state else "from its beginning"
            note(f"The training's process died; another one goes on {where}.")
        except ObjectLostError:
            session.end_idle_workers()
            losses += 1
            if losses > allowed:
                raise
        except BaseException:
            session.end_idle_workers()  # it may be in the middle of an epoch
            raise


def measure_on_one(
    experiment: Experiment, prepared: Prepared, session: Session, rates: Sequence[float]
) -> tuple[RateCurve, dict[str, str]]:
    """The loss at rising learning rates, and the tags that say what was really used.

    Raises:
        TrainingError: the process died.
        RayTaskError: it failed; the cause is the worker's own error.
    """
    worker = _get_worker(session, experiment.cluster)
    try:
        measured: tuple[RateCurve, dict[str, str]] = ray.get(
            worker.measure_rates.remote(experiment, prepared, list(rates))
        )
    except RayActorError as error:
        session.end_idle_workers()
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(
            f"The process that tries learning rates died. {_OUT_OF_MEMORY}Ray says: {reason}"
        ) from error
    except BaseException:
        session.end_idle_workers()  # it may be in the middle of a step
        raise
    worker.release.remote()
    return measured


def _train_from(
    worker: Any,
    experiment: Experiment,
    prepared: Prepared,
    last_state: list[Any],
    record_epoch: RecordEpoch,
    record_part: RecordPart,
) -> TrainedModel:
    """Train on from `last_state`: a list that holds the state after the last complete epoch, if any."""
    here = ray.get_runtime_context().get_node_id()
    finished = ray.get(worker.begin.remote(experiment, prepared, *last_state))
    pending = None if finished else worker.train.remote(PART_S)
    while pending is not None:
        report_ref, state = pending
        report: Report = ray.get(report_ref)
        if report.node != here:  # that node may be lost, with all that it holds
            state = ray.put(ray.get(state))
        last_state[:] = [state]
        # The next epoch is trained while this one is recorded.
        pending = None if report.finished else worker.train.remote(PART_S)
        record_part(report.part)
        if report.metrics is not None:
            record_epoch(report.metrics, report.weights, report.part.used)
    model: TrainedModel = ray.get(worker.evaluate_best.remote())
    return model


def _get_worker(session: Session, config: ClusterConfig) -> Any:
    if _key(config) not in session.idle_workers:
        session.end_idle_workers()
        actor = ray.remote(TrainingWorker).options(
            num_cpus=config.cpus_per_worker,
            num_gpus=config.gpus_per_worker,
            resources=config.worker_resources or None,
        )
        session.idle_workers[_key(config)] = actor.remote()
    return session.idle_workers[_key(config)]


def _key(config: ClusterConfig) -> tuple[float, float, tuple[tuple[str, float], ...]]:
    others = tuple(sorted(config.worker_resources.items()))
    return config.cpus_per_worker, config.gpus_per_worker, others
