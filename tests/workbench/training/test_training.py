"""Training through Ray Train, in the shared session."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nets
from nets import ConfigError
from tests.workbench.small import digits
from tracking import MemoryRecorder
from workbench.cluster import ClusterConfig, Session
from workbench.data import DataConfig, SplitConfig
from workbench.errors import ClusterError, TrainingError
from workbench.progress import Epoch, Event, Progress
from workbench.training import train
from workbench.training.process import worker_resources

pytestmark = pytest.mark.cluster


class Watching(Progress):
    """Keeps the epochs; may interfere at the end of each."""

    def __init__(self, interfere: Any = None) -> None:
        self.epochs: list[int] = []
        self.interfere = interfere

    def handle(self, event: Event) -> None:
        if isinstance(event, Epoch):
            self.epochs.append(event.epoch)
            if self.interfere:
                self.interfere(event.epoch)


@pytest.fixture(scope="module")
def trained(session: Session) -> tuple[Any, MemoryRecorder, Watching]:
    recorder, progress = MemoryRecorder(), Watching()
    return (
        train(digits(), session=session, recorder=recorder, progress=progress),
        recorder,
        progress,
    )


def test_a_training_learns_and_tells_every_epoch_once(trained: Any) -> None:
    result, recorder, progress = trained
    assert progress.epochs == [1, 2, 3]
    assert result.metrics["test/accuracy"] > 0.9
    history = recorder.runs[result.run_id].history
    assert sorted(history["validation/accuracy"]) == [1, 2, 3]
    assert result.metrics["validation/accuracy"] == max(history["validation/accuracy"].values())
    assert any(name.endswith("/dead_share") for name in history)


def test_the_run_holds_what_is_needed_to_repeat_and_look_inside(
    trained: Any, tmp_path: Path
) -> None:
    result, recorder, _ = trained
    recorded = recorder.runs[result.run_id]
    assert recorded.run.status == "FINISHED"
    assert recorded.run.params["training.learning_rate"] == "0.003"
    tags = recorded.run.tags
    assert {"workbench.fingerprint", "workbench.versions", "workbench.seed"} <= set(tags)
    assert {"workbench.code", "workbench.content", "workbench.order"} <= set(tags)
    used = {name.rpartition(".")[2]: tags[name] for name in tags if ".used." in name}
    assert (used["device"], used["precision"], used["workers"]) == ("cpu", "float32", "1")
    assert (used["threads"], used["batch_size"]) == ("1", "64")
    assert int(used["parameters"]) > 1000 and used["machine"]
    files = recorded.artifacts
    assert nets.config.from_dict(type(digits()), json.loads(files["experiment.json"])) == digits()
    data = json.loads(files["data.json"])
    assert sum(data["rows"].values()) == 1797
    evaluation = json.loads(files["evaluation/test.json"])
    assert np.sum(evaluation["confusion"]) == data["rows"]["test"]
    assert {f"checkpoints/epoch_{i:04d}.safetensors" for i in range(4)} <= set(files)
    assert "samples/test.safetensors" in files
    for name in ("model.json", "model.safetensors"):
        found = next(content for path, content in files.items() if path.endswith(name))
        (tmp_path / name).write_bytes(found)
    net = nets.load(tmp_path)
    assert net.labels == tuple("0123456789")
    assert net(net.example(2)).shape == (2, 10)


def test_two_workers_see_every_validation_row_and_learn_and_end(session: Session) -> None:
    experiment = replace(digits(batch_size=16), cluster=ClusterConfig(num_workers=2))
    recorder = MemoryRecorder()
    workers_by_epoch: list[int] = []
    progress = Watching(lambda epoch: workers_by_epoch.append(_count_train_workers()))
    result = train(experiment, session=session, recorder=recorder, progress=progress)
    assert max(workers_by_epoch) == 2
    assert _count_train_workers() == 0
    assert result.metrics["test/accuracy"] > 0.85
    assert recorder.find(result.run_id).tags["workbench.used.workers"] == "2"
    predictions = recorder.runs[result.run_id].artifacts["evaluation/test.json"]
    assert np.sum(json.loads(predictions)["confusion"]) == 359


def test_a_killed_worker_costs_an_epoch_and_changes_nothing(session: Session, trained: Any) -> None:
    """The same seed gives the same figures, whether or not a worker died on the way."""
    undisturbed, before, _ = trained
    recorder = MemoryRecorder()
    killed: list[int] = []

    def kill(epoch: int) -> None:
        if epoch == 1 and not killed:
            workers = [a for a in _actors() if "TrainingWorker" in a["class_name"]]
            killed.extend(worker["pid"] for worker in workers)
            for worker in workers:
                os.kill(worker["pid"], signal.SIGKILL)

    progress = Watching(kill)
    # More epochs than the undisturbed run, so that there is time to be killed in.
    result = train(digits(epochs=40), session=session, recorder=recorder, progress=progress)
    assert killed
    assert progress.epochs == list(range(1, 41))
    first = before.runs[undisturbed.run_id].history["validation/loss"]
    second = recorder.runs[result.run_id].history["validation/loss"]
    assert second[2] == pytest.approx(first[2], rel=1e-4)
    assert recorder.runs[result.run_id].run.status == "FINISHED"


def _actors() -> list[dict[str, Any]]:
    from ray._private.state import actors

    found = []
    for actor in actors().values():
        if actor["State"] == "ALIVE":
            found.append({"class_name": actor.get("ActorClassName", ""), "pid": actor.get("Pid")})
    return found


def _count_train_workers() -> int:
    """Ray Train's worker processes that are alive."""
    return sum("TrainWorker" in actor["class_name"] for actor in _actors())


def test_early_stopping_keeps_the_best_epoch(session: Session) -> None:
    recorder = MemoryRecorder()
    stopping = digits(epochs=60, patience=2, learning_rate=1e-2)
    result = train(stopping, session=session, recorder=recorder)
    assert result.best_epoch <= result.epochs < 60
    values = recorder.runs[result.run_id].history["validation/accuracy"]
    last = [values[epoch] for epoch in range(result.epochs - 1, result.epochs + 1)]
    assert max(last) <= max(value for epoch, value in values.items() if epoch < result.epochs - 1)


def test_a_net_that_cannot_be_is_refused_before_a_run_exists(session: Session) -> None:
    recorder = MemoryRecorder()
    blocks = (nets.BlockConfig(),) * 5
    with pytest.raises(ConfigError, match=r"net\.blocks\.3: pool_size 2 does not fit a 1x1 map"):
        train(
            replace(digits(), net=nets.CNNConfig(blocks=blocks)), session=session, recorder=recorder
        )
    assert not recorder.runs


def test_a_diverging_training_ends_with_a_verdict(session: Session) -> None:
    recorder = MemoryRecorder()
    wild = digits(learning_rate=1e30, optimizer="sgd")
    with pytest.raises(TrainingError, match=r"loss .*(nan|inf).*learning_rate"):
        train(
            replace(wild, cluster=ClusterConfig(max_failures=0)), session=session, recorder=recorder
        )
    (recorded,) = recorder.runs.values()
    assert recorded.run.status == "FAILED"
    assert "learning" in recorded.run.tags["workbench.error"]
    # The losses before the one that is no number come back with the error.
    losses = recorded.history["step/loss"]
    assert list(losses) == list(range(1, len(losses) + 1)) and losses[1] < 10


def test_more_workers_than_cpus_are_refused_at_once(session: Session) -> None:
    recorder = MemoryRecorder()
    many = replace(digits(), cluster=ClusterConfig(num_workers=999))
    with pytest.raises(ClusterError, match=r"needs 999 CPU \(999 workers\)"):
        train(many, session=session, recorder=recorder)
    assert not recorder.runs


def test_a_worker_takes_one_cpu_where_nothing_else_is_set() -> None:
    assert worker_resources(digits()) == {"CPU": 1}


def test_a_worker_that_waits_gives_its_cpus_to_the_next_data(session: Session) -> None:
    """One that holds all CPUs but those of Spark stays, and other data can be prepared."""
    every = replace(session.config, cpus_per_worker=os.cpu_count() or 1)
    first = replace(digits(epochs=1), cluster=every)
    train(first, session=session, recorder=MemoryRecorder())
    assert session.idle_workers
    split = replace(first.data.split, seed=first.data.split.seed + 1)
    other = replace(first, data=replace(first.data, split=split))
    assert train(other, session=session, recorder=MemoryRecorder()).epochs == 1


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
def test_shorter_epochs_a_budget_of_rows_and_the_loss_by_step(
    workers: int, session: Session
) -> None:
    recorder = MemoryRecorder()
    experiment = replace(
        digits(epochs=9, epoch_rows=640, max_rows=2000, loss_points=5),
        cluster=ClusterConfig(num_workers=workers),
    )
    result = train(experiment, session=session, recorder=recorder)
    history = recorder.runs[result.run_id].history
    values = history["validation/accuracy"]
    assert list(values) == [1, 2, 3, 4] and result.epochs == 4
    assert values[result.best_epoch] == max(values.values())
    # 10 steps an epoch; the last epoch ends with the rows.
    steps = list(history["step/loss"])
    assert steps[:5] == [2, 4, 6, 8, 10] and 30 < steps[-1] < 40
    assert 2000 <= history["step/rows"][steps[-1]] < 2064
    assert history["step/loss"][steps[-1]] < history["step/loss"][2]
    assert all(0 < share < 1 for share in history["data/share_waited"].values())
    assert sum(history["data/bytes"].values()) == 64 * history["step/rows"][steps[-1]]
    assert not [name for name in history if name.startswith("best/step")]


@pytest.mark.long
def test_two_workers_that_diverge_leave_their_losses(session: Session) -> None:
    recorder = MemoryRecorder()
    wild = digits(learning_rate=1e30, optimizer="sgd")
    experiment = replace(wild, cluster=ClusterConfig(num_workers=2, max_failures=0))
    with pytest.raises(TrainingError, match=r"loss .*(nan|inf).*learning_rate"):
        train(experiment, session=session, recorder=recorder)
    (recorded,) = recorder.runs.values()
    losses = recorded.history["step/loss"]
    assert list(losses) == list(range(1, len(losses) + 1)) and losses[1] < 10


def test_minutes_end_a_training_within_its_first_epoch(session: Session) -> None:
    recorder = MemoryRecorder()
    result = train(digits(epochs=50, max_minutes=1e-6), session=session, recorder=recorder)
    assert result.epochs == result.best_epoch == 1
    history = recorder.runs[result.run_id].history
    assert list(history["step/loss"])[-1] == 16 and "validation/accuracy" in history


def test_a_training_on_every_row_keeps_the_last_epoch(session: Session) -> None:
    recorder = MemoryRecorder()
    data = DataConfig(split=SplitConfig(validation=0, test=0))
    experiment = replace(digits(epochs=2), data=data)
    result = train(experiment, session=session, recorder=recorder)
    assert result.best_epoch == result.epochs == 2
    run = recorder.runs[result.run_id]
    assert not [name for name in run.history if name.startswith(("validation/", "test/"))]
    assert result.metrics["train/accuracy"] == run.history["train/accuracy"][2]
    assert "the last epoch is kept" in recorder.find(result.run_id).tags["workbench.notes"]
    summary = json.loads(run.artifacts["evaluation/train.json"])
    assert summary["rows"] == 1797
