"""Which sweep is resumed, with which settings, before any cluster starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from nets import ConfigError
from nets.config import override, to_dict
from tests.workbench.small import digits_sweep, prepared
from tracking import MemoryRecorder, MlflowRecorder, Reader, Recorder
from tracking.errors import RunNotFoundError
from workbench.cli import app, launch
from workbench.data.sources.dataframe import DataFrameSource
from workbench.experiments import load_experiment
from workbench.experiments.experiment import Experiment
from workbench.progress import Silent
from workbench.sweeps import driver
from workbench.sweeps.folds import add_folds
from workbench.sweeps.recorder import TrialRecorder
from workbench.sweeps.resume import (
    check_resumed,
    find_sweep,
    read_finished_trials,
    resume_from_record,
)
from workbench.training import provenance
from workbench.training.provenance import without_passwords

PREPARED = prepared(train=100)

runner = CliRunner()


@pytest.fixture(params=["memory", "mlflow"])
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recorder]:
    if request.param == "memory":
        yield MemoryRecorder()
        return
    made = MlflowRecorder(f"sqlite:///{tmp_path / 'mlflow.db'}", interval_s=0.05)
    yield made
    made.close()


def record(
    recorder: Recorder, experiment: Experiment, *, status: Any = "KILLED", kind: str = "sweep"
) -> str:
    """A sweep's run as `sweep` leaves it."""
    tags = {"workbench.kind": kind, **provenance.describe_process()}
    run_id = recorder.start(experiment.name, "a sweep", params={}, tags=tags)
    recorder.artifact_dict(run_id, "experiment.json", without_passwords(to_dict(experiment)))
    if status != "RUNNING":
        recorder.finish(run_id, status)
    return run_id


def record_trial(recorder: Recorder, sweep: str, number: int, status: Any) -> str:
    tags = {
        "workbench.kind": "trial",
        "workbench.trial": str(number),
        "workbench.settings": json.dumps(dict.fromkeys(digits_sweep().sweep.space, 1)),
    }
    run_id = recorder.start("digits-small", f"t{number}", params={}, tags=tags, parent=sweep)
    recorder.metrics(run_id, {"validation/accuracy": 0.5, "epoch": 1.0}, 1)
    recorder.finish(run_id, status)
    return run_id


def test_a_sweep_is_found_by_the_first_letters_of_its_id(recorder: Recorder) -> None:
    run_id = record(recorder, digits_sweep())
    assert find_sweep(recorder, run_id[:8]).run_id == run_id
    assert find_sweep(recorder, run_id).run_id == run_id


def test_what_is_no_stopped_sweep_is_refused(recorder: Recorder) -> None:
    sweep = record(recorder, digits_sweep())
    trial = record_trial(recorder, sweep, 1, "FINISHED")
    with pytest.raises(ConfigError, match=f"is a trial of sweep {sweep[:8]}"):
        find_sweep(recorder, trial)
    with pytest.raises(ConfigError, match="is a train"):
        find_sweep(recorder, record(recorder, digits_sweep(), kind="train"))
    with pytest.raises(ConfigError, match="still running"):
        find_sweep(recorder, record(recorder, digits_sweep(), status="RUNNING"))
    with pytest.raises(RunNotFoundError):
        find_sweep(recorder, "0" * 32)


def test_the_recorded_experiment_is_resumed_and_a_note_names_the_difference(
    recorder: Recorder,
) -> None:
    changes = {"training.epochs": 12, "sweep.num_trials": 10, "sweep.search": "bayes"}
    recorded = override(digits_sweep(), changes)
    run_id = record(recorder, recorded)
    got_id, resumed, note = resume_from_record(recorder, run_id[:8], digits_sweep(), {})
    assert (got_id, resumed) == (run_id, recorded)
    assert note is not None
    assert "training.epochs 12, now 3" in note and "sweep.search bayes, now random" in note
    assert "num_trials" not in note
    assert resume_from_record(recorder, run_id, recorded, {})[2] is None


def test_more_trials_another_cluster_and_equal_values_are_accepted(recorder: Recorder) -> None:
    run_id = record(recorder, digits_sweep())
    changes = {
        "sweep.num_trials": "9",
        "cluster.num_workers": 2,
        "training.epochs": 3,
        "sweep.scheduler": "none",
        "sweep.space": to_dict(digits_sweep().sweep)["space"],
    }
    _, resumed, note = resume_from_record(recorder, run_id, digits_sweep(), changes)
    assert note is None
    more = {"sweep.num_trials": 9, "cluster.num_workers": 2}
    assert resumed == override(digits_sweep(), more)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sweep.scheduler": "asha"}, r"was started with sweep.scheduler none, got asha\."),
        ({"training.epochs": 20}, r"training.epochs 3, got 20\."),
        ({"training.seed": 7, "sweep.seed": 7}, r"training.seed 0, got 7; sweep.seed 0, got 7\."),
        ({"sweep.num_trials": 3}, r"sweep.num_trials 4, got 3\. .* more trials, not fewer"),
        (
            {"sweep.space": {"net.activation": {"kind": "choice", "values": ["relu"]}}},
            r'sweep.space.net.activation \["relu", "tanh", "maxout"\], got \["relu"\]',
        ),
    ],
)
def test_another_setting_is_refused_with_both_values(changes: dict[str, Any], message: str) -> None:
    recorder = MemoryRecorder()
    run_id = record(recorder, digits_sweep())
    with pytest.raises(ConfigError, match=message):
        resume_from_record(recorder, run_id, digits_sweep(), changes)
    with pytest.raises(ConfigError, match=message):
        check_resumed(recorder, run_id, override(digits_sweep(), changes))


def test_at_most_five_settings_are_named() -> None:
    recorder = MemoryRecorder()
    run_id = record(recorder, digits_sweep())
    names = ("weight_decay", "learning_rate", "epochs", "batch_size", "patience", "label_smoothing")
    values = (0.5, 0.5, 5, 5, 5, 0.5)
    changes = {f"training.{name}": value for name, value in zip(names, values, strict=True)}
    with pytest.raises(ConfigError, match="; and 1 more") as refused:
        check_resumed(recorder, run_id, override(digits_sweep(), changes))
    assert str(refused.value).count(", got ") == 5


def test_a_sweep_of_another_experiment_is_refused() -> None:
    recorder = MemoryRecorder()
    run_id = record(recorder, replace(digits_sweep(), name="other"))
    with pytest.raises(ConfigError, match="experiment 'other', got 'digits-small'"):
        resume_from_record(recorder, run_id, digits_sweep(), {})


def test_a_record_that_cannot_be_rebuilt_is_refused() -> None:
    recorder = MemoryRecorder()
    frame = DataFrameSource(features=("x",), label="y", plan=1)
    experiment = replace(digits_sweep(), data=replace(digits_sweep().data, source=frame))
    run_id = record(recorder, experiment)
    with pytest.raises(ConfigError, match="a DataFrame of a program"):
        resume_from_record(recorder, run_id, digits_sweep(), {})
    # In the program itself it goes on; the plan's number is another in every Spark session.
    again = override(experiment, {"data.source.plan": 2})
    assert check_resumed(recorder, run_id, again) == run_id
    empty = recorder.start("x", "no record", params={}, tags={"workbench.kind": "sweep"})
    recorder.finish(empty, "KILLED")
    with pytest.raises(ConfigError, match=r"no file 'experiment\.json'"):
        check_resumed(recorder, empty, experiment)


def test_a_hidden_password_comes_from_the_experiment() -> None:
    recorder = MemoryRecorder()
    experiment = override(digits_sweep(), {"cluster.storage": "s3://key:secret@host/x"})
    run_id = record(recorder, experiment)
    _, resumed, _ = resume_from_record(recorder, run_id, experiment, {})
    assert resumed == experiment


def test_folds_in_the_recorded_space_are_no_difference() -> None:
    recorder = MemoryRecorder()
    experiment = override(digits_sweep(), {"data.split.folds": 3})
    run_id = record(recorder, add_folds(experiment))
    assert check_resumed(recorder, run_id, experiment) == run_id
    assert check_resumed(recorder, run_id, add_folds(experiment)) == run_id
    assert resume_from_record(recorder, run_id, experiment, {})[1] == experiment


def test_killed_trials_are_left_out_and_their_numbers_not_given_again(recorder: Recorder) -> None:
    sweep = record(recorder, digits_sweep())
    done = record_trial(recorder, sweep, 1, "FINISHED")
    for number in (2, 3):
        record_trial(recorder, sweep, number, "KILLED")
    earlier, last_number = read_finished_trials(recorder, sweep, digits_sweep().sweep)
    assert [trial.run_id for trial in earlier] == [done]
    assert last_number == 3
    board = TrialRecorder(
        digits_sweep(),
        recorder,
        Silent(),
        sweep_run=sweep,
        variants=SimpleNamespace(of=lambda settings: PREPARED),  # type: ignore[arg-type]
        total=4,
        earlier=earlier,
        last_number=last_number,
    )
    with board.written:
        trial: Any = SimpleNamespace(trial_id="t", config={"training.learning_rate": 0.01})
        board.on_trial_start(0, [], trial)
    names = [run.name for run in recorder.children(sweep)]
    assert names == ["t1", "t2", "t3", "trial-004"]


def test_the_python_function_refuses_before_it_opens_a_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_session(*_: Any, **__: Any) -> Any:
        raise AssertionError("a session was opened")

    monkeypatch.setattr(driver, "session_for", open_session)
    recorder = MemoryRecorder()
    run_id = record(recorder, digits_sweep())
    with pytest.raises(ConfigError, match=r"sweep\.scheduler none, got asha"):
        driver.sweep(digits_sweep(scheduler="asha"), recorder=recorder, resume=run_id[:8])


@pytest.mark.parametrize("bench", [False, True])
def test_the_command_reads_the_record_before_anything_starts(
    bench: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Reached(Exception):
        pass

    calls: list[dict[str, Any]] = []

    def run_on_bench(kind: str, name: str, changes: Any, progress: Any, **rest: Any) -> None:
        calls.append({"changes": changes, **rest})
        if bench:
            raise Reached

    def sweep(experiment: Experiment, **rest: Any) -> None:
        calls.append({"resumed": experiment, **rest})
        raise Reached

    monkeypatch.setattr(launch, "run_on_bench", run_on_bench)
    monkeypatch.setattr(driver, "sweep", sweep)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    recorder = MlflowRecorder()
    changes = {"training.epochs": 12, "sweep.scheduler": "none", "sweep.num_trials": 10}
    recorded = override(load_experiment("digits_cnn"), changes)
    run_id = record(recorder, recorded)
    recorder.close()
    command = ["sweep", "digits_cnn", "--resume", run_id[:8]]
    refused = runner.invoke(app, [*command, "--scheduler", "asha"])
    assert refused.exit_code != 0 and not calls
    text = " ".join((refused.stderr + str(refused.exception)).split())
    assert "sweep.scheduler none, got asha" in text
    more = ["--trials", "12", "--set", "cluster.num_workers=2"]
    runner.invoke(app, [*command, *more])
    expected = override(recorded, {"sweep.num_trials": 12, "cluster.num_workers": 2})
    assert calls[0]["changes"] == {"cluster.num_workers": "2"}
    assert len(calls) == (1 if bench else 2)
    assert {call["resume"] for call in calls} == {run_id}
    assert all(call["resumed"] == expected for call in calls)
    assert Reader().run(run_id).status == "KILLED"
