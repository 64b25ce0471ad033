"""Whole sweeps in this process: what repeats, objectives, conditions and a bound leave in the store."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nets import ConfigError
from tests.workbench.small import digits_sweep
from tests.workbench.sweeps.here import sweep_here
from tracking import MemoryRecorder
from workbench.cli.shown import show_sweep
from workbench.errors import TrainingError
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice
from workbench.experiments.space_text import parse_space
from workbench.progress import Event, Note, Progress, Stage
from workbench.results import SweepResult
from workbench.sweeps import bound
from workbench.sweeps.folds import SEED


class Kept(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def notes(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Note))

    def stages(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, Stage)]


def asked(tmp_path: Path, *space: str, epochs: int = 1, **sweep: Any) -> Experiment:
    parsed = {"space": parse_space(space)} if space else {}
    experiment = digits_sweep(**{"max_concurrent": 1, **parsed, **sweep})
    storage = replace(experiment.cluster, storage=str(tmp_path / "checkpoints"))
    training = replace(experiment.training, epochs=epochs)
    return replace(experiment, cluster=storage, training=training)


def test_repeats_rank_settings_by_their_mean_and_say_the_spread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder, progress = MemoryRecorder(), Kept()
    space = "training.learning_rate=0.003,0.00001"
    experiment = asked(tmp_path, space, search="grid", repeats=3, keep=1)
    result = sweep_here(experiment, recorder, progress=progress)
    best, worst = result.configurations
    assert best.settings == {"training.learning_rate": 0.003}
    assert [trial.settings[SEED] for trial in best.trials] == [0, 1, 2]
    values = [trial.value or 0.0 for trial in best.trials]
    assert len(set(values)) > 1 and best.mean == pytest.approx(sum(values) / 3)
    assert best.mean is not None and worst.mean is not None and best.mean > worst.mean
    run = recorder.runs[result.run_id]
    assert run.run.metrics["repeats/validation/accuracy/mean"] == pytest.approx(best.mean)
    assert run.run.metrics["repeats/validation/accuracy/deviation"] == best.deviation
    assert json.loads(run.run.tags["workbench.best_settings"]) == best.settings
    for trial in best.trials:
        tags = recorder.runs[trial.run_id].run.tags
        assert float(tags["workbench.mean"]) == pytest.approx(best.mean)
        assert float(tags["workbench.deviation"]) == pytest.approx(best.deviation)
    told = json.loads(run.artifacts["repeats.json"])
    assert set(told["configurations"][0]["values"]) == {"0", "1", "2"}
    assert "Best over 3 seeds: validation/accuracy" in progress.notes()
    again = SweepResult.from_dict(json.loads(json.dumps(vars(result), default=vars)))
    assert again.configurations == [
        replace(one, trials=[replace(t, checkpoint=None) for t in one.trials])
        for one in result.configurations
    ]
    spread = f"{best.mean:.4g} ± {best.deviation:.2g}"
    assert spread in str(result) and spread in result._repr_html_()
    show_sweep("digits", result, name="digits", metric="validation/accuracy", mode="max")
    printed = capsys.readouterr().out
    assert spread in printed and "2 settings" in printed
    # One line for all that is evaluated.
    assert len([one for one in progress.stages() if one.startswith("Evaluating")]) == 1


def test_a_resumed_sweep_completes_the_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped by its bound between two repeats; then with more trials."""
    now = [0.0]
    monkeypatch.setattr(bound, "time", SimpleNamespace(monotonic=lambda: now[0]))
    recorder, progress = MemoryRecorder(), Kept()
    experiment = asked(tmp_path, search="tpe", num_trials=2, repeats=2, max_minutes=1.0)
    ended = 0

    def pass_time(event: Event) -> None:
        nonlocal ended
        ended += getattr(event, "status", "") == "FINISHED"
        now[0] = 61.0 if ended >= 3 else 0.0

    monkeypatch.setattr(progress, "handle", lambda e: (progress.events.append(e), pass_time(e)))
    first = sweep_here(experiment, recorder, progress=progress)
    assert not first.interrupted
    assert Counter(t.status for t in first.trials) == {"FINISHED": 3, "KILLED": 1}
    assert "The bound of 1 minutes is reached: 3 of 4 trials" in progress.notes()
    run = recorder.find(first.run_id)
    assert run.status == "FINISHED" and run.tags["workbench.bound"] == "3 of 4 trials"
    assert first.best.metrics["test/accuracy"] > 0, "the best is evaluated all the same"
    now[0] = 0.0
    more = replace(experiment, sweep=replace(experiment.sweep, num_trials=3, max_minutes=9.0))
    second = sweep_here(more, recorder, resume=first.run_id[:8])
    assert [len(one.trials) for one in second.configurations] == [2, 2, 2]
    assert all(one.mean is not None for one in second.configurations)
    done = {t.run_id for t in first.trials if t.status == "FINISHED"}
    assert done < {t.run_id for t in second.trials}


def test_a_bound_without_a_result_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"No trial has a result after sweep.max_minutes 1e-06"):
        sweep_here(asked(tmp_path, max_minutes=1e-6), MemoryRecorder())


def test_two_objectives_have_a_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = MemoryRecorder()
    experiment = asked(
        tmp_path,
        "net.blocks[*].channels=2,16",
        "training.learning_rate=0.003,0.00001",
        search="grid",
        objectives={"parameters": "min"},
        keep=1,
    )
    result = sweep_here(experiment, recorder)
    sizes = {t.settings["net.blocks[*].channels"]: t.metrics["parameters"] for t in result.trials}
    assert sizes[2] < sizes[16]
    on_front = [trial for trial in result.trials if trial.number in result.front]
    small = min(
        (t for t in result.trials if t.metrics["parameters"] == sizes[2]),
        key=lambda t: -(t.value or 0),
    )
    assert {result.best.number, small.number} == set(result.front) and len(on_front) == 2
    for trial in result.trials:
        run = recorder.runs[trial.run_id].run
        assert run.params["net.blocks.all.channels"] == str(
            trial.settings["net.blocks[*].channels"]
        )
        assert run.metrics["objective/parameters"] == trial.metrics["parameters"]
        assert (run.tags.get("workbench.pareto") == "yes") == (trial.number in result.front)
    told = json.loads(recorder.find(result.run_id).tags["workbench.pareto_runs"])
    assert told == [trial.run_id for trial in on_front]
    show_sweep("digits", result, name="digits", metric="validation/accuracy", mode="max")
    printed = capsys.readouterr().out
    assert "Pareto front of validation/accuracy (max), parameters (min)" in printed
    assert "--set 'net.blocks[*].channels=16'" in printed, "a command that trains the best alone"


def test_whole_nets_and_what_belongs_to_one_of_them(tmp_path: Path) -> None:
    recorder = MemoryRecorder()
    experiment = asked(
        tmp_path, "net=cnn,resnet", "net.dense=[[8],[16]] if net=cnn", search="grid", keep=3
    )
    result = sweep_here(experiment, recorder)
    assert sorted(json.dumps(trial.settings) for trial in result.trials) == [
        '{"net": "cnn", "net.dense": "[16]"}',
        '{"net": "cnn", "net.dense": "[8]"}',
        '{"net": "resnet"}',
    ]
    for trial in result.trials:
        files = recorder.runs[trial.run_id].artifacts
        described = next(v for k, v in files.items() if k.endswith("model.json"))
        assert json.loads(described)["net"]["kind"] == trial.settings["net"]
    space = recorder.find(result.run_id).params
    assert space["sweep.space.net.dense"] == "[[8], [16]] if net cnn"
    with pytest.raises(ConfigError, match=r"net.dense.*beside net resnet.*if net="):
        sweep_here(asked(tmp_path, "net=cnn,resnet", "net.dense=[[8],[16]]"), recorder)


def test_repeats_are_refused_where_a_setting_would_not_get_them_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sweep.repeats 2 .*--scheduler none"):
        sweep_here(asked(tmp_path, repeats=2, scheduler="asha"), MemoryRecorder())
    seeds = {"training.seed": Choice(values=(1, 2))}
    with pytest.raises(ConfigError, match=r"the space searches training\.seed as well"):
        sweep_here(asked(tmp_path, repeats=2, space=seeds), MemoryRecorder())
