"""Training on one worker, in a process that has loaded everything and stays for the next training.

Ray Train starts a controller and its workers anew for each fit, which takes longer than many a
training. One worker needs none of that: an actor trains an epoch at a time and leaves its state
after each in Ray's object store, from where another process goes on if this one dies.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ray
import torch
from ray.exceptions import ObjectLostError, RayActorError, RayTaskError
from safetensors.torch import save

from workbench import heap
from workbench.bridge import Prepared, RecoverableData
from workbench.cluster import ClusterConfig, Session
from workbench.errors import too_many_deaths
from workbench.experiments.experiment import Experiment
from workbench.training.checkpoints import HISTORY_BYTES
from workbench.training.evaluation import Outcome, conclude
from workbench.training.learner import Learner
from workbench.training.process import settle

State = dict[str, bytes]
"""What `Learner.save` wrote: file name to content."""


class Report(NamedTuple):
    """What the driver is told of an epoch."""

    metrics: dict[str, float]
    finished: bool
    weights: bytes | None
    """The net after this epoch, as safetensors; None where they are too many to keep."""
    node: str
    """Id of the Ray node that the state is on."""


class WarmWorker:
    """The actor: one training after another in one process."""

    def __init__(self) -> None:
        self.learner: Learner | None = None

    def begin(self, experiment: Experiment, prepared: Prepared, state: State | None = None) -> bool:
        """Take up a training, at its start or where `state` left it; whether it is complete."""
        settle(experiment)
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
    def epoch(self) -> tuple[Report, State]:
        """Train one epoch."""
        assert self.learner is not None, "begin comes first"
        metrics = self.learner.train_epoch()
        with tempfile.TemporaryDirectory() as folder:
            self.learner.save(Path(folder))
            state = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        last = state["last.safetensors"]
        weights = last if len(last) < HISTORY_BYTES else None
        node = ray.get_runtime_context().get_node_id()
        return Report(metrics, self.learner.finished, weights, node), state

    def conclude(self) -> Outcome:
        """Evaluate the best epoch's weights on the test split."""
        assert self.learner is not None, "begin comes first"
        return conclude(self.experiment, self.prepared, save(self.learner.best_weights))

    def rest(self) -> None:
        """Let go of the net and the data."""
        self.learner = None
        del self.experiment, self.prepared
        gc.collect()
        heap.release_freed_memory()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def start(session: Session, config: ClusterConfig) -> None:
    """Have a worker's process come up in the background, where there is room for it already."""
    if session.has_room(config.cpus_per_worker):
        _take(session, config)


def train_on_one(
    experiment: Experiment,
    data: RecoverableData,
    session: Session,
    received: Callable[[dict[str, float], bytes | None], None],
    *,
    note: Callable[[str], None],
) -> Outcome:
    """Train to the end; `received` gets the metrics and weights of each epoch, once.

    Args:
        note: told of every failure that the training goes on after.

    Raises:
        TrainingError: the process died more than `cluster.max_failures` times.
        RayTaskError: the training failed; its cause is the worker's own error.
    """
    reached: list[Any] = []
    allowed = experiment.cluster.max_failures
    deaths = losses = 0
    while True:
        worker = _take(session, experiment.cluster)
        try:
            outcome = _go_on(worker, experiment, data.prepared, reached, received)
            worker.rest.remote()
            return outcome
        except RayActorError as error:
            session.end_idle_workers()
            deaths += 1
            if deaths > allowed:
                advice = "Out of memory, perhaps: lower training.batch_size or the net's size. "
                raise too_many_deaths(
                    "The training's process", deaths, allowed, error, advice
                ) from error
            where = "after its last complete epoch" if reached else "from its beginning"
            note(f"The training's process died; another one goes on {where}.")
        except (RayTaskError, ObjectLostError) as error:
            session.end_idle_workers()
            losses += 1
            if losses > allowed or not (data.restore() or isinstance(error, ObjectLostError)):
                raise
        except BaseException:
            session.end_idle_workers()  # it may be in the middle of an epoch
            raise


def _go_on(
    worker: Any,
    experiment: Experiment,
    prepared: Prepared,
    reached: list[Any],
    received: Callable[[dict[str, float], bytes | None], None],
) -> Outcome:
    """Train on from the state in `reached`, which always has that of the last complete epoch."""
    here = ray.get_runtime_context().get_node_id()
    finished = ray.get(worker.begin.remote(experiment, prepared, *reached))
    pending = None if finished else worker.epoch.remote()
    while pending is not None:
        told, state = pending
        report: Report = ray.get(told)
        if report.node != here:  # which may be lost, and what it holds with it
            state = ray.put(ray.get(state))
        reached[:] = [state]
        # The next epoch is trained while this one is recorded.
        pending = None if report.finished else worker.epoch.remote()
        received(report.metrics, report.weights)
    outcome: Outcome = ray.get(worker.conclude.remote())
    return outcome


def _take(session: Session, config: ClusterConfig) -> Any:
    if _key(config) not in session.idle_workers:
        session.end_idle_workers()
        actor = ray.remote(WarmWorker).options(
            num_cpus=config.cpus_per_worker,
            num_gpus=config.gpus_per_worker,
            resources=config.worker_resources or None,
        )
        session.idle_workers[_key(config)] = actor.remote()
    return session.idle_workers[_key(config)]


def _key(config: ClusterConfig) -> tuple[float, float, tuple[tuple[str, float], ...]]:
    others = tuple(sorted(config.worker_resources.items()))
    return config.cpus_per_worker, config.gpus_per_worker, others
