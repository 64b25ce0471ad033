"""Sweeps: planning without a cluster, and the real thing in the shared session."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray._private.state import actors

from nets import ConfigError
from nets.config import override
from tests.workbench.small import digits_sweep
from tracking import MemoryRecorder
from workbench.cluster import ClusterConfig, Session
from workbench.errors import TrainingError
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.results import TrialResult
from workbench.sweeps.checks import check_space
from workbench.sweeps.draws import grid, random_draws
from workbench.sweeps.driver import sweep
from workbench.sweeps.folds import add_folds
from workbench.sweeps.schedulers import make_scheduler, most_epochs
from workbench.sweeps.search import limit_trials, plan_trials
from workbench.training.checkpoints import checkpoint_folder


def test_a_grid_is_every_combination() -> None:
    space = {"a": Choice(values=(1, 2)), "b": Choice(values=("x", "y", "z"))}
    assert len(grid(SweepConfig(space=space))) == 6
    assert grid(SweepConfig(space=space))[1] == {"a": 1, "b": "y"}


def test_random_draws_repeat_with_the_seed_and_stay_in_bounds() -> None:
    config = digits_sweep(num_trials=50).sweep
    draws = random_draws(config)
    assert draws == random_draws(config)
    assert draws != random_draws(replace(config, seed=1))
    assert all(1e-4 <= draw["training.learning_rate"] <= 1e-1 for draw in draws)
    below = sum(draw["training.learning_rate"] < 10**-2.5 for draw in draws)
    assert 10 < below < 40  # half of the draws lie below the geometric middle


FOUR: dict[str, Any] = {
    "training.batch_size": Choice(values=(32, 64)),
    "net.activation": Choice(values=("relu", "tanh")),
}


@pytest.mark.parametrize("num_trials", [1, 3, 4, 16])
def test_no_setting_is_drawn_twice(num_trials: int) -> None:
    config = SweepConfig(space=FOUR, search="random", num_trials=num_trials)
    draws = random_draws(config)
    assert len({json.dumps(draw) for draw in draws}) == len(draws) == min(num_trials, 4)
    # A resumed sweep with more trials goes on with the same list.
    assert random_draws(replace(config, num_trials=16))[: len(draws)] == draws


@pytest.mark.parametrize("search", ["random", "bayes"])
def test_a_small_space_runs_each_setting_once_and_says_so(search: Any) -> None:
    asked = SweepConfig(space=FOUR, search=search, num_trials=16)
    config, message = limit_trials(asked)
    assert message == "The space has 4 settings; 4 trials run instead of 16."
    assert config.num_trials == 4
    space, algorithm, num_samples, total = plan_trials(config, [])
    assert (algorithm, num_samples, total) == (None, None, 4)
    assert len(space["settings"]["grid_search"]) == 4
    assert limit_trials(replace(asked, num_trials=4)) == (replace(asked, num_trials=4), None)
    single = replace(asked, space={"net.activation": Choice(values=("relu",))})
    assert limit_trials(single)[1] == "The space has 1 setting; 1 trial runs instead of 16."
    endless = digits_sweep(num_trials=100).sweep
    assert limit_trials(endless) == (endless, None)


def test_bayes_still_searches_a_larger_space() -> None:
    config = SweepConfig(space=FOUR, search="bayes", num_trials=3)
    _, algorithm, num_samples, total = plan_trials(config, [])
    assert algorithm is not None and (num_samples, total) == (3, 3)


def test_a_small_space_with_folds_counts_each_fold() -> None:
    sweep_config = SweepConfig(space=FOUR, search="random", scheduler="none", num_trials=16)
    experiment = override(replace(digits_sweep(), sweep=sweep_config), {"data.split.folds": 3})
    config, message = limit_trials(add_folds(experiment).sweep)
    assert message == (
        "The space has 4 settings, each trained 3 times; 12 trials run instead of 48."
    )
    assert plan_trials(config, [])[3] == 12


def test_a_resumed_list_leaves_out_what_is_done() -> None:
    config = digits_sweep(num_trials=6).sweep
    draws = random_draws(config)
    earlier = [TrialResult(number=1, run_id="r", settings=draws[2], status="FINISHED")]
    space, search, num_samples, total = plan_trials(config, earlier)
    assert space["settings"]["grid_search"] == [d for i, d in enumerate(draws) if i != 2]
    assert (search, num_samples, total) == (None, None, 6)


def test_a_list_travels_as_json_and_comes_back() -> None:
    experiment = replace(
        digits_sweep(), sweep=SweepConfig(space={"net.dense": Choice(values=((16,), (32, 16)))})
    )
    check_space(experiment)
    assert grid(experiment.sweep) == [{"net.dense": "[16]"}, {"net.dense": "[32, 16]"}]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"training.learning_rat": Choice(values=(1,))}, r"Did you mean 'training.learning_rate'"),
        ({"learning_rate": Choice(values=(1,))}, r"Did you mean 'training.learning_rate'"),
        ({"net.activation": Choice(values=("relu", "rellu"))}, r"Unknown activation 'rellu'"),
        ({"training.learning_rate": Uniform(low=-1, high=1)}, r"greater than 0, got -1"),
        ({"training.batch_size": Uniform(low=16, high=64)}, r"whole|integer.*--space training.batch_size=16,32,48,64"),
        ({"sweep.num_trials": Choice(values=(1,))}, r"cannot search its own setting"),
        ({}, r"has no sweep space"),
    ],
)  # fmt: skip
def test_a_space_that_cannot_be_is_refused(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_space(replace(digits_sweep(), sweep=SweepConfig(space=space)))


def test_a_grid_over_a_range_is_refused_with_the_ways_out() -> None:
    with pytest.raises(ConfigError, match=r"a grid needs a list of values.*random or bayes"):
        check_space(digits_sweep(search="grid"))


@pytest.fixture(scope="module")
def swept(session: Session) -> tuple[Any, MemoryRecorder]:
    recorder = MemoryRecorder()
    return sweep(digits_sweep(), session=session, recorder=recorder), recorder


@pytest.mark.cluster
def test_every_trial_is_a_run_below_the_sweep(swept: Any) -> None:
    result, recorder = swept
    children = recorder.children(result.run_id)
    assert len(children) == 4
    assert {child.status for child in children} == {"FINISHED"}
    assert {child.run_id for child in children} == {trial.run_id for trial in result.trials}
    for trial in result.trials:
        history = recorder.runs[trial.run_id].history["validation/accuracy"]
        assert sorted(history) == [1, 2, 3]
        assert trial.value == max(history.values())
        assert "step/loss" not in recorder.runs[trial.run_id].history, "only where asked for"
        # The names of tags never change: stores of earlier versions have these.
        tags = recorder.runs[trial.run_id].run.tags
        assert json.loads(tags["workbench.settings"]) == trial.settings
        assert tags["workbench.trial"] == str(trial.number)
        assert tags["workbench.sweep"] == result.run_id
        assert tags["workbench.kind"] == "trial"


@pytest.mark.cluster
def test_the_leaderboard_is_in_order_and_its_top_has_models(swept: Any) -> None:
    result, recorder = swept
    values = [trial.value for trial in result.trials]
    assert values == sorted(values, reverse=True)
    kept = [t for t in result.trials if "evaluation/test.json" in recorder.runs[t.run_id].artifacts]
    assert kept == result.trials[:3]
    assert result.best.metrics["test/accuracy"] > 0.8
    data = json.loads(recorder.runs[result.run_id].artifacts["data.json"])
    assert result.rows == data["rows"]["validation"]
    tags = recorder.runs[result.run_id].run.tags
    assert tags["workbench.best_run"] == result.best.run_id
    assert tags["workbench.tied_trials"] == str(values.count(values[0]))


@pytest.mark.parametrize(("grace", "factor", "epochs"), [(1, 2, 20), (3, 3, 30), (5, 4, 4)])
def test_epochs_are_reported_together_up_to_those_at_which_asha_decides(
    grace: int, factor: int, epochs: int
) -> None:
    config = SweepConfig(grace_epochs=grace, reduction_factor=factor)
    rungs = make_scheduler(config, epochs, 1)._brackets[0]._rungs  # type: ignore[attr-defined]
    decided = {epoch for epoch in range(1, epochs) if config.decides_at(epoch, epochs)}
    assert decided == {milestone for milestone, _ in rungs if milestone < epochs}


def test_a_scheduler_counts_to_the_end_of_the_longest_trial() -> None:
    lengths = Choice(values=(2, 9, 4))
    experiment = digits_sweep(space={"training.epochs": lengths})
    assert most_epochs(experiment) == 9 and most_epochs(digits_sweep()) == 3


def test_the_median_rule_sees_every_epoch_and_no_scheduler_none() -> None:
    assert all(replace(SweepConfig(), scheduler="median").decides_at(n, 9) for n in range(1, 9))
    assert not any(replace(SweepConfig(), scheduler="none").decides_at(n, 9) for n in range(1, 9))


@pytest.mark.cluster
def test_bayes_with_asha_stops_some_and_says_why(session: Session) -> None:
    recorder = MemoryRecorder()
    experiment = digits_sweep(
        search="bayes", scheduler="asha", num_trials=8, grace_epochs=1, reduction_factor=2
    )
    result = sweep(experiment, session=session, recorder=recorder)
    assert len(result.trials) == 8
    stopped = [trial for trial in result.trials if trial.status == "STOPPED"]
    assert stopped
    for trial in stopped:
        assert trial.epochs < 3
        why = recorder.runs[trial.run_id].run.tags["workbench.stopped"]
        assert why == f"asha at epoch {trial.epochs}"


@pytest.mark.cluster
def test_ray_tune_repeats_settings_up_to_a_bound(session: Session) -> None:
    recorder = MemoryRecorder()
    experiment = digits_sweep(
        search="tpe", num_trials=500, repeats=2, objectives={"parameters": "min"}, max_minutes=0.15
    )
    result = sweep(experiment, session=session, recorder=recorder)
    assert not result.interrupted and recorder.find(result.run_id).status == "FINISHED"
    whole = [one for one in result.configurations if one.mean is not None]
    assert whole and len(result.trials) < 1000
    assert all(len({t.settings["training.seed"] for t in one.trials}) == 2 for one in whole)
    statuses = {trial.status for trial in result.trials}
    assert "FINISHED" in statuses <= {"FINISHED", "KILLED"}
    assert all(trial.metrics["parameters"] > 0 for one in whole for trial in one.trials)
    assert set(result.front) >= {trial.number for trial in whole[0].trials}
    assert result.best.metrics["test/accuracy"] > 0.5


@pytest.mark.cluster
@pytest.mark.parametrize("kind", ["none", "asha", "median"])
def test_no_process_is_started_for_nothing(session: Session, kind: str) -> None:
    """Trials shorter than what lies between the starts of two processes."""
    seeds = Choice(values=tuple(range(24)))
    experiment = digits_sweep(space={"training.seed": seeds}, search="grid", scheduler=kind)
    experiment = replace(experiment, training=replace(experiment.training, epochs=1))
    before = set(actors())
    result = sweep(experiment, session=session, recorder=MemoryRecorder())
    assert [trial.status for trial in result.trials] == ["FINISHED"] * 24
    made = [
        one
        for name, one in actors().items()
        if name not in before and one["ActorClassName"].endswith("ResourceTrainable")
    ]
    assert 1 <= len(made) <= 2  # the shared session has room for two


@pytest.mark.cluster
def test_a_diverging_trial_fails_alone(session: Session) -> None:
    recorder = MemoryRecorder()
    rates = {"training.learning_rate": Choice(values=(1e30, 3e-3))}
    experiment = digits_sweep(space=rates, search="grid")
    asked = replace(experiment.training, optimizer="sgd", loss_points=4)
    experiment = replace(experiment, training=asked)
    result = sweep(experiment, session=session, recorder=recorder)
    assert {t.settings["training.learning_rate"]: t.status for t in result.trials} == {
        3e-3: "FINISHED",
        1e30: "FAILED",
    }
    failed = recorder.runs[result.trials[-1].run_id].run
    assert failed.status == "FAILED"
    assert "loss" in failed.tags["workbench.error"]
    best, worst = (recorder.runs[result.trials[i].run_id].history["step/loss"] for i in (0, -1))
    assert len(best) == 3 * 4 and next(iter(worst)) == 1


@pytest.mark.cluster
def test_a_sweep_without_any_result_says_so(session: Session) -> None:
    rates = {"training.learning_rate": Choice(values=(1e30,))}
    experiment = digits_sweep(space=rates, search="grid")
    experiment = replace(experiment, training=replace(experiment.training, optimizer="sgd"))
    recorder = MemoryRecorder()
    checkpoints = Path(checkpoint_folder(experiment))
    before = set(checkpoints.glob("*"))
    with pytest.raises(TrainingError, match="None of 1 trials has a result"):
        sweep(experiment, session=session, recorder=recorder)
    assert set(checkpoints.glob("*")) <= before
    assert {recorded.run.status for recorded in recorder.runs.values()} == {"FAILED"}


@pytest.mark.cluster
def test_a_resumed_sweep_repeats_nothing(session: Session, swept: Any) -> None:
    first, recorder = swept
    before = set(recorder.runs)
    recorder.tags(first.run_id, {"workbench.pid": "0"})  # another process started it
    more = replace(digits_sweep(), sweep=replace(digits_sweep().sweep, num_trials=6))
    result = sweep(more, session=session, recorder=recorder, resume=first.run_id[:8])
    assert result.run_id == first.run_id
    assert len(result.trials) == 6
    assert len(set(recorder.runs) - before) == 2
    tags = recorder.find(first.run_id).tags
    assert tags["workbench.pid"] == str(os.getpid())
    assert tags["workbench.num_trials"] == "6"  # the parameter sweep.num_trials stays 4
    assert {t.run_id for t in first.trials} <= {t.run_id for t in result.trials}


@pytest.mark.cluster
def test_a_batch_larger_than_the_rows_is_noted_on_the_sweep_and_on_the_trials_that_have_it(
    session: Session,
) -> None:
    recorder = MemoryRecorder()
    space = {"training.batch_size": Choice(values=(64, 4096))}
    experiment = digits_sweep(space=space, search="grid")
    result = sweep(experiment, session=session, recorder=recorder)
    assert "training.batch_size 4096" in recorder.find(result.run_id).tags["workbench.notes"]
    for trial in result.trials:
        tags = recorder.find(trial.run_id).tags
        large = trial.settings["training.batch_size"] == 4096
        assert ("workbench.notes" in tags) == large
        rows = tags["workbench.used.batch_size"]
        assert (int(rows) < 4096) if large else rows == "64"


@pytest.mark.cluster
@pytest.mark.slow
def test_trials_on_two_workers_go_through_ray_train(session: Session) -> None:
    recorder = MemoryRecorder()
    experiment = replace(
        digits_sweep(num_trials=2), cluster=ClusterConfig(num_workers=2, max_failures=0)
    )
    experiment = override(experiment, {"training.loss_points": 2})
    result = sweep(experiment, session=session, recorder=recorder)
    assert len(recorder.runs[result.best.run_id].history["step/loss"]) == 3 * 2
    assert [trial.status for trial in result.trials] == ["FINISHED", "FINISHED"]
    assert all(trial.epochs == 3 for trial in result.trials)
    assert recorder.find(result.best.run_id).tags["workbench.used.workers"] == "2"
    assert result.best.metrics["test/accuracy"] > 0.6
