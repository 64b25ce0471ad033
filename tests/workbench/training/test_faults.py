"""Something real is killed, and then it is counted what was lost: nothing but time."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
from ray._private.state import actors

from tests.workbench.small import digits, digits_sweep
from tests.workbench.watched import Rows, died_at, noted, watched
from tracking import MemoryRecorder
from workbench.bridge import Prepared, prepare
from workbench.cluster import ClusterConfig, Session
from workbench.errors import TrainingError
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice
from workbench.progress import Epoch, Event, Note, Progress, Stage
from workbench.sweeps.driver import sweep
from workbench.training import train
from workbench.training.checkpoints import checkpoint_folder

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def prepared(session: Session) -> Prepared:
    return prepare(digits().data, digits().preparation, session)


def trained(
    experiment: Experiment, session: Session, prepared: Prepared
) -> tuple[dict[str, dict[int, float]], dict[str, float]]:
    """Every metric of every epoch, and the metrics of the best one."""
    recorder = MemoryRecorder()
    result = train(experiment, session=session, recorder=recorder, prepared=prepared)
    return recorder.runs[result.run_id].history, result.metrics


def steps_of(folder: Path, workers: int, total: int) -> tuple[list[Rows], int]:
    """The rows of each step, over all workers, as the process took it whose training counts; and the
    step at which the last processes began."""
    processes = noted(folder)
    first, *others = [
        [sorted(itertools.chain.from_iterable(step)) for step in zip(*alike, strict=False)]
        for alike in (
            [process.batches for process in processes[start : start + workers]]
            for start in range(0, len(processes), workers)
        )
    ]
    began = 0
    for steps in others:  # each went on to the end
        began = total - len(steps)
        first = first[:began] + steps
    return first, began


@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=[pytest.mark.slow, pytest.mark.long])], ids=["one", "two"]
)
def test_a_worker_killed_within_an_epoch_changes_nothing(
    workers: int,
    session: Session,
    prepared: Prepared,
    tmp_path: Path,
    record_property: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every row once in every epoch, and the same figures as of a training that nobody killed.

    The training is saved several times within each epoch.
    """
    monkeypatch.setattr("workbench.training.one_worker.PART_S", 0.0)
    monkeypatch.setattr("workbench.training.several_workers.PART_S", 0.0)
    experiment = replace(
        digits(epochs=4, batch_size=32), cluster=ClusterConfig(num_workers=workers)
    )
    rows = prepared.splits["train"].num_rows
    steps = -(-rows // 32)
    runs = {}
    for name, dies_at in {"undisturbed": 0, "killed": 3 * steps - 2}.items():
        data = watched(prepared, tmp_path / name, dies_at=dies_at)
        runs[name] = trained(experiment, session, data)
    assert len(noted(tmp_path / "killed")) > len(noted(tmp_path / "undisturbed")) == workers

    before, _ = steps_of(tmp_path / "undisturbed", workers, 4 * steps)
    after, began = steps_of(tmp_path / "killed", workers, 4 * steps)
    assert after == before
    assert 2 * steps < began < 3 * steps  # in the middle of the epoch
    for number in range(4):
        epoch = after[number * steps : (number + 1) * steps]
        assert sorted(itertools.chain.from_iterable(epoch)) == list(range(rows))
    expected, measured = runs["undisturbed"][0], runs["killed"][0]
    assert sorted(measured["validation/loss"]) == [1, 2, 3, 4]
    for name in ("train/loss", "validation/loss", "validation/accuracy"):
        assert measured[name] == pytest.approx(expected[name], rel=1e-3)
    assert runs["killed"][1]["test/loss"] == pytest.approx(
        runs["undisturbed"][1]["test/loss"], rel=1e-3
    )
    again = noted(tmp_path / "killed")[workers].began - died_at(tmp_path / "killed")
    record_property("seconds to recover", round(again, 1))
    print(f"\n{workers} worker(s): {again:.1f} s from the kill to the next batch")


class Listener(Progress):
    """Keeps the notes, and calls `at` with each stage."""

    def __init__(self, at: Callable[[str], None] = lambda stage: None) -> None:
        self.notes: list[str] = []
        self.at = at

    def handle(self, event: Event) -> None:
        if isinstance(event, Stage):
            self.at(event.name)
        elif isinstance(event, Note):
            self.notes.append(event.text)


def test_a_trial_whose_process_is_killed_goes_on_from_its_checkpoint(
    session: Session, prepared: Prepared, tmp_path: Path
) -> None:
    """Trials of some seconds; the first process dies in the last part of its trial."""
    experiment = digits_sweep(num_trials=2, space={"training.seed": Choice(values=(1, 2))})
    epochs, steps = 150, -(-prepared.splits["train"].num_rows // 64)
    experiment = replace(
        experiment,
        training=replace(experiment.training, epochs=epochs),
        sweep=replace(experiment.sweep, search="grid", max_concurrent=1, num_trials=16),
    )
    kept: list[Counter[Path]] = []
    sweeps = Path(checkpoint_folder(experiment))
    earlier = set(sweeps.glob("*"))

    def look(stage: str) -> None:
        if stage.startswith("Evaluating on the test split"):
            checkpoints = sweeps.glob("*/*/checkpoint_*")
            own = (path for path in checkpoints if path.parents[1] not in earlier)
            kept.append(Counter(path.parent for path in own))

    recorder, told = MemoryRecorder(), Listener(look)
    data = watched(prepared, tmp_path / "rows", dies_at=130 * steps)
    before = session.prepared[prepared.fingerprint]
    session.prepared[prepared.fingerprint] = data
    try:
        result = sweep(experiment, session=session, recorder=recorder, progress=told)
    finally:
        session.prepared[prepared.fingerprint] = before
    assert [(trial.status, trial.epochs) for trial in result.trials] == [("FINISHED", epochs)] * 2
    assert len(recorder.children(result.run_id)) == 2
    for trial in result.trials:
        steps_seen = sorted(recorder.runs[trial.run_id].history["validation/loss"])
        assert steps_seen == [*range(1, epochs + 1)]
    second = noted(tmp_path / "rows")[-1]
    # The second process trained the rest of the first trial, and all of the second.
    rest = len(second.epochs(steps)) - epochs
    assert 20 < rest < 130
    assert told.notes == ["Trial 1 continues from its last checkpoint: its process died."]
    # Each trial made some checkpoints, and has one.
    assert [sorted(found.values()) for found in kept] == [[1, 1]]
    print(
        f"\ntrial: {rest - 20} of 130 epochs again, "
        f"{second.began - died_at(tmp_path / 'rows'):.1f} s to the next batch"
    )


class Killer(Listener):
    """Kills Ray Train's controller at the first epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.killed: list[int] = []
        self.epochs: list[float] = []
        """When each was reported."""

    def handle(self, event: Event) -> None:
        super().handle(event)
        if not isinstance(event, Epoch):
            return
        self.epochs.append(time.monotonic())
        if not self.killed:
            controllers = [
                one for one in actors().values() if one["ActorClassName"] == "TrainController"
            ]
            controller = max(controllers, key=lambda one: one["StartTime"])  # not an earlier test's
            self.killed.append(controller["Pid"])
            psutil.Process(controller["Pid"]).kill()


@pytest.mark.slow
@pytest.mark.long
def test_a_training_goes_on_when_ray_trains_controller_is_killed(
    session: Session, prepared: Prepared, tmp_path: Path
) -> None:
    experiment = digits(epochs=40)
    cluster = ClusterConfig(num_workers=2, cpus_per_worker=1, storage=str(tmp_path))
    experiment = replace(experiment, cluster=cluster)
    recorder, killer, before = MemoryRecorder(), Killer(), set(actors())
    result = train(
        experiment, session=session, recorder=recorder, prepared=prepared, progress=killer
    )
    assert len(killer.killed) == 1
    assert killer.notes == [
        "Ray Train's controller died; another one goes on after the last checkpoint."
    ]
    history = recorder.runs[result.run_id].history["validation/loss"]
    assert sorted(history) == list(range(1, 41))
    # What the workers held is free again, and nothing runs that nobody needs.
    groups = ray.util.placement_group_table().values()
    assert {group["state"] for group in groups} == {"REMOVED"}
    helpers = {one["ActorClassName"] for name, one in actors().items() if name not in before}
    assert not helpers & {"PlacementGroupCleaner", "DatasetManager", "PreemptionWatcher"}
    longest = max(later - earlier for earlier, later in itertools.pairwise(killer.epochs))
    print(f"\n{longest:.1f} s between two epochs")


def test_a_full_disk_for_checkpoints_is_reported(
    session: Session, prepared: Prepared, disk: Path
) -> None:
    """Training on two workers and trials keep checkpoints in files: a disk of 200 kB is too small."""
    recorder = MemoryRecorder()
    cluster = ClusterConfig(num_workers=2, max_failures=0, storage=str(disk))
    experiment = replace(digits(epochs=3), cluster=cluster)
    with pytest.raises(TrainingError, match=r"No space left.*cluster\.storage"):
        train(experiment, session=session, recorder=recorder, prepared=prepared)
    assert {recorded.run.status for recorded in recorder.runs.values()} == {"FAILED"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if subprocess.run(made, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def executors() -> list[psutil.Process]:
    """The JVMs of Spark's executors."""
    found = [a for a in actors().values() if "RayDPExecutor" in a.get("ActorClassName", "")]
    return [psutil.Process(a["Pid"]) for a in found if a["State"] == "ALIVE"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(120)
def test_executors_that_ray_does_not_start_again(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that waits for one is ended with the reason; when one is asked for, work goes on."""
    monkeypatch.setattr("workbench.cluster.executors.ASK_S", 1e9)
    monkeypatch.setattr("workbench.cluster.executors.GIVE_UP_S", 1.0)
    assert session.spark.range(1000).count() == 1000
    lost = 0
    for actor in ray.util.list_named_actors(all_namespaces=True):
        if actor["name"].startswith("raydp-executor"):
            ray.kill(ray.get_actor(**actor), no_restart=True)
            lost += 1
    assert lost
    with pytest.raises(Exception, match="Spark has lost its executors"):
        session.spark.range(1000).repartition(3).count()
    monkeypatch.undo()
    began = time.perf_counter()
    assert session.spark.range(1000).repartition(3).count() == 1000
    print(f"\nexecutor gone for good: another one after {time.perf_counter() - began:.1f} s")


@pytest.mark.slow
@pytest.mark.long
def test_a_spark_executor_killed_while_it_hands_over_and_after_it(
    session: Session, tmp_path: Path
) -> None:
    """What it held is read again; every row arrives once, and the next data too."""
    killed: list[int] = []

    def kill(stage: str = "Writing the prepared data") -> None:
        if stage == "Writing the prepared data" and not killed:
            tracker = session.spark.sparkContext.statusTracker()
            threading.Thread(target=kill_when, args=(tracker,)).start()

    def kill_when(tracker: Any) -> None:
        while not tracker.getActiveStageIds():
            time.sleep(0.002)
        for process in executors():
            killed.append(process.pid)
            process.kill()

    split = replace(digits().data.split, seed=101)
    experiment = replace(digits(epochs=1), data=replace(digits().data, split=split))
    began = time.perf_counter()
    found = prepare(experiment.data, experiment.preparation, session, progress=Listener(kill))
    print(
        f"\nexecutor killed while it hands over: prepared in {time.perf_counter() - began:.1f} s "
        f"(undisturbed {sum(start_seconds(session)):.1f} s)"
    )
    assert killed
    rows = {name: split.num_rows for name, split in found.splits.items()}
    keys = np.concatenate([split.read()["key"] for split in found.splits.values()])
    assert len(keys) == len(set(keys)) == sum(rows.values()) == 1797

    while not executors():
        time.sleep(0.1)
    for process in executors():
        process.kill()
    train(experiment, session=session, recorder=MemoryRecorder(), prepared=found)
    other = replace(split, seed=102)
    began = time.perf_counter()
    again = prepare(replace(experiment.data, split=other), experiment.preparation, session)
    print(f"executor killed before: prepared in {time.perf_counter() - began:.1f} s")
    assert sum(split.num_rows for split in again.splits.values()) == 1797


def start_seconds(session: Session) -> list[float]:
    return list(next(iter(session.prepared.values())).record["seconds"].values())
