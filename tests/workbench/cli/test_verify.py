"""`workbench verify`: what it refuses, what it prints, and real runs that are trained again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nets import ConfigError, RNNConfig
from nets.config import to_dict
from tests.workbench.small import digits, digits_sweep
from tracking import MlflowRecorder, Reader
from workbench.cli import app
from workbench.cli.verify import _show
from workbench.cluster import Session
from workbench.data.sources import DigitsSource, ImageFolderSource, TableSource
from workbench.data.sources.dataframe import DataFrameSource
from workbench.errors import DataError
from workbench.experiments.experiment import Experiment
from workbench.progress import Event, Note, Progress
from workbench.training import provenance, train
from workbench.training.differences import Comparison, Difference, Parting
from workbench.training.verify import read_recorded, verify

runner = CliRunner()
PARTING = Parting(epoch=2, metric="train/loss", recorded=0.5, again=0.25)
SEED = Difference(kind="order", name="training.seed", recorded="0", again="1")


class Notes(Progress):
    """Keeps the notes of a training."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def handle(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)


def comparison(**changes: Any) -> Comparison:
    equal = Comparison(same_machine=True, tolerance=0, num_losses=7, largest=0, parting=None)
    return replace(equal, **changes)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[MlflowRecorder]:
    made = MlflowRecorder(f"sqlite:///{tmp_path / 'mlflow.db'}", interval_s=0.05)
    yield made
    made.close()


def record(
    recorder: MlflowRecorder,
    experiment: Experiment | None,
    kind: str = "train",
    loss: float | None = 1.0,
) -> str:
    tags = provenance.tags(digits(), kind, "f")
    run_id = recorder.start("digits-small", "a run", params={}, tags=tags)
    if experiment is not None:
        recorder.artifact_dict(run_id, "experiment.json", to_dict(experiment))
    if loss is not None:
        recorder.metrics(run_id, {"train/loss": loss}, 1)
    recorder.finish(run_id, "KILLED")
    return run_id


def refusal(recorder: MlflowRecorder, run: str) -> str:
    reply = runner.invoke(app, ["verify", run], env={"MLFLOW_TRACKING_URI": recorder.uri})
    assert reply.exit_code in (2, 3, 6), reply.output
    return " ".join(reply.output.split())


def test_what_cannot_be_trained_again_is_refused_before_anything_starts(
    recorder: MlflowRecorder,
) -> None:
    frame = digits()
    frame = replace(
        frame, data=replace(frame.data, source=DataFrameSource(features=("x",), plan=7))
    )
    moved = digits()
    source = ImageFolderSource(path="/no-such-folder", shape=(1, 8, 8))
    moved = replace(moved, data=replace(moved.data, source=source))
    running = recorder.start("x", "x", params={}, tags=provenance.tags(digits(), "train", "f"))
    cases = {
        running: "is still running",
        record(recorder, digits(), "sweep"): "without a best trial",
        record(recorder, digits(), loss=None): "has no epoch with a loss",
        record(recorder, None): "has no experiment.json",
        record(recorder, frame): "trained on a DataFrame",
        record(recorder, moved): "no-such-folder",
        "ffffffff": "There is no run",
    }
    for run, message in cases.items():
        assert message in refusal(recorder, run[:8])


def test_an_equal_run_is_said_to_be_equal(capsys: pytest.CaptureFixture[str]) -> None:
    _show("0123abcd", comparison())
    printed = capsys.readouterr().out
    assert "Run 0123abcd is equal: 7 losses, to the last digit." in printed
    assert "To blame" not in printed


def test_the_first_difference_and_what_is_to_blame_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _show("0123abcd", comparison(parting=PARTING, largest=0.5, differences=[SEED]))
    printed = capsys.readouterr().out
    assert "first part at epoch 2, train/loss: recorded 0.5, now 0.25" in printed
    assert "To blame:" in printed and "training.seed" in printed
    _show("0123abcd", comparison(parting=PARTING, not_recorded=["code"]))
    printed = capsys.readouterr().out
    assert "Nothing of what the record holds is different" in printed
    assert "not compared: code." in printed


def test_another_machine_is_compared_with_a_tolerance_that_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _show("0123abcd", comparison(same_machine=False, tolerance=0.01, differences=[SEED]))
    printed = capsys.readouterr().out
    assert "Another kind of machine: losses may differ by 1%." in printed
    assert "Not the same, although the losses are equal:" in printed


@pytest.mark.cluster
def test_a_training_is_equal_when_it_is_trained_again_and_another_seed_is_to_blame(
    session: Session, recorder: MlflowRecorder
) -> None:
    run_id = train(digits(epochs=2), session=session, recorder=recorder).run_id
    reader = Reader(recorder.uri)
    recorded = read_recorded(reader, reader.run(run_id[:8]))
    again = verify(recorded, session=session)
    assert again.equal and again.same_machine and again.num_losses == 5
    assert again.differences == [] and again.not_recorded == []
    other = verify(recorded, changes={"training.seed": 1}, session=session)
    assert other.parting is not None and other.parting.epoch == 1
    assert {one.kind for one in other.differences} == {"order"}


@pytest.mark.cluster
def test_a_trial_of_a_sweep_is_equal_with_its_own_settings(
    session: Session, recorder: MlflowRecorder
) -> None:
    from workbench.sweeps import sweep

    experiment = replace(digits_sweep(num_trials=2), training=digits(epochs=2).training)
    result = sweep(experiment, session=session, recorder=recorder)
    reader = Reader(recorder.uri)
    best = read_recorded(reader, reader.run(result.run_id))
    assert best.run.run_id == result.best.run_id
    rate = best.experiment.training.learning_rate
    assert rate == result.best.settings["training.learning_rate"]
    again = verify(best, session=session)
    assert again.equal and again.same_machine
    assert again.differences == [] and again.not_recorded == []


@pytest.mark.cluster
def test_an_rnn_is_equal_and_a_record_from_before_a_rule_is_not_refused(
    session: Session, recorder: MlflowRecorder
) -> None:
    rows = replace(digits().data, source=DigitsSource(layout="series"))
    old = replace(digits(epochs=2, focal_gamma=3.0), data=rows, net=RNNConfig(dense=(8,)))
    with pytest.raises(ConfigError, match="would change nothing"):
        train(old, session=session, recorder=recorder)
    run_id = train(old, session=session, recorder=recorder, recorded=True).run_id
    reader = Reader(recorder.uri)
    recorded = read_recorded(reader, reader.run(run_id))
    progress = Notes()
    again = verify(recorded, session=session, progress=progress)
    assert again.equal and again.same_machine and again.num_losses == 5
    assert again.differences == [] and again.not_recorded == []
    assert any("training.focal_gamma 3.0 is in the run's record" in one for one in progress.notes)
    with pytest.raises(ConfigError, match=r"training.nesterov False would change nothing"):
        verify(recorded, changes={"training.nesterov": False}, session=session)


@pytest.mark.cluster
def test_damaged_data_is_told_in_one_sentence_in_python_too(
    session: Session, recorder: MlflowRecorder, tmp_path: Path
) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "part.parquet").write_bytes(b"PAR1 no parquet at all PAR1")
    source = TableSource(path=str(folder), format="parquet", features=("a",), label="b")
    damaged = replace(digits(), data=replace(digits().data, source=source))
    with pytest.raises(DataError) as caught:
        train(damaged, session=session, recorder=recorder)
    message = str(caught.value)
    assert "part.parquet" in message or str(folder) in message
    assert len(message.splitlines()) == 1
    assert not re.search(r"org\.apache|java\.|Traceback|\bat [a-z]+\.", message)
