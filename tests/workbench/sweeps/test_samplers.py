"""Each search by ask and tell: none tries a setting twice, and those that learn do learn."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest

from nets import ConfigError
from tests.workbench.small import digits_sweep
from workbench.experiments.combinations import key_of
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.results import Settings, TrialResult
from workbench.sweeps.checks import check_space
from workbench.sweeps.draws import count_settings
from workbench.sweeps.folds import SEED
from workbench.sweeps.ranking import find_front
from workbench.sweeps.search import limit_trials, plan_trials
from workbench.sweeps.searcher import StudySearcher
from workbench.sweeps.study import Study

Search = Literal["grid", "random", "qmc", "bayes", "tpe", "gp", "cmaes"]
EVERY: tuple[Search, ...] = ("grid", "random", "qmc", "bayes", "tpe", "gp", "cmaes")
LISTS = {
    "optimizer": Choice(values=("sgd", "adam", "adamw")),
    "nesterov": Choice(values=(True, False), only_if={"optimizer": "sgd"}),
    "width": Choice(values=(4, 8, 16)),
}  # 12 settings
RANGES = {
    "rate": Uniform(low=1e-4, high=1.0, log=True),
    "dropout": Uniform(low=0.0, high=0.9),
}


def config(search: Search, space: dict[str, Any], **more: Any) -> SweepConfig:
    return SweepConfig(space=space, search=search, scheduler="none", metric="m", **more)


def repeated(plan: SweepConfig, repeats: int) -> SweepConfig:
    space = {**plan.space, SEED: Choice(values=tuple(range(repeats)))}
    return replace(plan, space=space, repeats=repeats)


def run(
    plan: SweepConfig,
    value: Callable[[Settings], float | list[float]],
    earlier: list[TrialResult],
    most: int = 10**6,
) -> list[TrialResult]:
    """The trials that a sweep has with Ray Tune asking two at a time; all of them, or the first ones."""
    space, search, num_samples, total = plan_trials(plan, earlier)
    names = [plan.metric, *plan.objectives]

    def ended(number: int, settings: Settings) -> tuple[TrialResult, dict[str, Any]]:
        values = value(settings)
        metrics = dict(zip(names, values if isinstance(values, list) else [values], strict=True))
        trial = TrialResult(
            number=len(earlier) + number,
            run_id=f"r{number}",
            settings=settings,
            status="FINISHED",
            value=metrics[plan.metric],
            metrics=metrics,
        )
        return trial, {"epochs": [{**metrics, "epoch": 1.0}]}

    if search is None:
        listed = space["settings"]["grid_search"]
        assert total == len(earlier) + len(listed)
        return [ended(n, settings)[0] for n, settings in enumerate(listed[:most], 1)]
    assert isinstance(search, StudySearcher) and total == len(earlier) + (num_samples or 0)
    trials: list[TrialResult] = []
    waiting: list[tuple[str, dict[str, Any]]] = []
    for number in range(1, min(num_samples or 0, most) + 1):
        suggested = search.suggest(str(number))
        assert isinstance(suggested, dict)
        trial, result = ended(number, suggested["settings"])
        trials.append(trial)
        waiting.append((str(number), result))
        if len(waiting) == 2:
            search.on_trial_complete(*waiting.pop(0))
    for each in waiting:
        search.on_trial_complete(*each)
    return trials


def good(settings: Settings) -> float:
    return {"sgd": 0.0, "adam": 0.2, "adamw": 0.1}[settings["optimizer"]] + settings["width"] / 100


@pytest.mark.parametrize("search", [one for one in EVERY if one != "cmaes"])
@pytest.mark.parametrize("num_trials", [5, 11, 12, 40])
@pytest.mark.parametrize("repeats", [1, 2])
def test_no_setting_of_a_finite_space_comes_twice(
    search: Search, num_trials: int, repeats: int
) -> None:
    asked = config(search, LISTS, num_trials=num_trials)
    if search == "grid":
        asked = replace(asked, num_trials=16)
    if repeats > 1:
        asked = repeated(asked, repeats)
    plan, message = limit_trials(asked)
    settings = 12 if search == "grid" else min(num_trials, 12)
    assert count_settings(asked) == 12
    assert (message is not None) == (search != "grid" and num_trials == 40)
    trials = run(plan, good, [])
    keys = Counter(key_of(trial.settings) for trial in trials)
    assert set(keys.values()) == {1} and len(keys) == settings * repeats
    without = Counter(
        key_of({p: v for p, v in trial.settings.items() if p != SEED}) for trial in trials
    )
    assert len(without) == settings and set(without.values()) == {repeats}
    assert all(("nesterov" in t.settings) == (t.settings["optimizer"] == "sgd") for t in trials)


@pytest.mark.parametrize("search", EVERY)
@pytest.mark.parametrize("cut", [3, 4])
def test_a_resumed_search_goes_on_with_what_is_left(search: Search, cut: int) -> None:
    """Also where the sweep was stopped between the repeats of a setting."""
    space = RANGES if search == "cmaes" else LISTS
    value = (lambda s: s["dropout"]) if search == "cmaes" else good
    first = repeated(config(search, space, num_trials=16 if search == "grid" else 4), 2)
    done = run(first, value, [], most=cut)
    more = first if search == "grid" else replace(first, num_trials=6)
    rest = run(more, value, done)
    keys = [key_of(trial.settings) for trial in (*done, *rest)]
    assert len(keys) == len(set(keys)) == (24 if search == "grid" else 12)
    pairs = Counter(
        key_of({p: v for p, v in t.settings.items() if p != SEED}) for t in (*done, *rest)
    )
    assert set(pairs.values()) == {2}


@pytest.mark.parametrize(("search", "num_trials"), [("tpe", 40), ("gp", 20), ("cmaes", 40)])
def test_a_search_that_learns_is_better_than_chance(search: Search, num_trials: int) -> None:
    def near(settings: Settings) -> float:
        return -((math.log10(settings["rate"]) + 2) ** 2) - (settings["dropout"] - 0.3) ** 2

    def last_mean(plan: SweepConfig) -> float:
        values = [trial.value or 0.0 for trial in run(plan, near, [])]
        return sum(values[-10:]) / 10

    plan = config(search, RANGES, num_trials=num_trials)
    assert last_mean(plan) > last_mean(replace(plan, search="random")) + 0.3


def test_even_draws_leave_smaller_gaps_than_chance() -> None:
    def largest_gap(search: Search) -> float:
        trials = run(config(search, RANGES, num_trials=32), lambda s: 0.0, [])
        drops = sorted([0.0, 0.9, *(trial.settings["dropout"] for trial in trials)])
        return max(b - a for a, b in itertools.pairwise(drops))

    assert largest_gap("qmc") < 0.06 < largest_gap("random")


def test_a_diverged_trial_and_one_without_a_result_do_not_end_a_search() -> None:
    for search in ("tpe", "gp", "cmaes"):
        plan = config(search, RANGES, num_trials=20)
        searcher = StudySearcher(plan, [])
        for number in range(20):
            trial = str(number)
            assert isinstance(searcher.suggest(trial), dict)
            result: dict[str, Any] = {"epochs": [{"m": 0.5, "epoch": 1.0}]}
            if number % 3 == 1:
                result = {"verdict": "diverged", "metrics/m": -math.inf, "epochs": []}
            searcher.on_trial_complete(trial, None if number % 3 == 2 else result, number % 3 == 2)


def test_the_study_is_told_the_mean_of_the_repeats_at_their_best_epochs() -> None:
    plan = repeated(config("tpe", RANGES, num_trials=4), 2)
    searcher = StudySearcher(plan, [])
    told: list[Any] = []
    searcher._study.tell = lambda settings, values: told.append((settings, values))  # type: ignore[method-assign]
    first, second = searcher.suggest("a"), searcher.suggest("b")
    assert isinstance(first, dict) and isinstance(second, dict)
    assert first["settings"] | {SEED: 1} == second["settings"]
    searcher.on_trial_result("b", {"epochs": [{"m": 0.9, "epoch": 1.0}]})
    searcher.on_trial_complete("b", {"metrics/m": 0.1, "metrics/epoch": 2.0})
    assert told == []
    searcher.on_trial_complete("a", {"epochs": [{"m": 0.5, "epoch": 1.0}]})
    [(settings, values)] = told
    assert SEED not in settings and values == pytest.approx([0.7])


@pytest.mark.parametrize("search", ["tpe", "gp"])
def test_several_objectives_are_searched_together(search: Search) -> None:
    plan = config(search, LISTS | RANGES, num_trials=14, objectives={"size": "min"})
    trials = run(plan, lambda s: [good(s), float(s["width"])], [])
    again = run(replace(plan, num_trials=16), lambda s: [good(s), float(s["width"])], trials)
    assert len(again) == 2


def test_an_objective_that_is_nan_is_no_result() -> None:
    plan = config("tpe", LISTS | RANGES, num_trials=6, objectives={"size": "min"})
    trials = run(plan, lambda s: [good(s), math.nan if s["width"] == 4 else 1.0], [])
    trials[0].metrics["size"] = math.nan
    run(replace(plan, num_trials=8), lambda s: [good(s), 1.0], trials)  # resumed
    front = find_front(trials, [], plan)
    assert front and not any(math.isnan(trials[n - 1].metrics["size"]) for n in front)


def test_a_space_that_is_used_up_ends_the_search() -> None:
    study = Study(config("tpe", {"a": Choice(values=(1, 2))}))
    assert {key_of(study.ask()), key_of(study.ask())} == {'{"a": 1}', '{"a": 2}'}
    assert study.ask() is None


RATE = {"training.learning_rate": Uniform(low=1e-4, high=0.1, log=True)}
DECAY = {"training.weight_decay": Uniform(low=0, high=0.1)}
ACTIVATION = {"net.activation": Choice(values=("relu", "tanh"))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": ACTIVATION, "search": "cmaes"}, "two ranges or more.*got 0"),
        ({"space": RATE | ACTIVATION, "search": "cmaes"}, "two ranges or more.*got 1"),
        (
            {"objectives": {"parameters": "min"}, "search": "cmaes", "space": RATE | DECAY},
            "one obj",
        ),
        ({"objectives": {"parameters": "min"}, "scheduler": "asha"}, "stops trials by one"),
        ({"objectives": {"validation/accuracy": "max"}}, "an objective twice"),
        ({"objectives": {"parametres": "min"}}, "Unknown metric.*parametres"),
        ({"metric": "parameters", "mode": "min"}, "the same in each epoch"),
        ({"metric": "validation/loss"}, "a loss is better when it is lower"),
        (
            {"objectives": {"validation/calibration_error": "max"}},
            "a calibration_error is better when it is lower",
        ),
    ],
)
def test_a_search_that_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_space(digits_sweep(**changes))


def test_what_a_sampler_leaves_to_chance_is_noted() -> None:
    [note] = check_space(digits_sweep(search="cmaes", space=RATE | DECAY | ACTIVATION))
    assert "draws at random: net.activation" in note
    assert check_space(digits_sweep(search="cmaes", space=RATE | DECAY)) == []
    momentum = Uniform(low=0.1, high=0.9, only_if={"training.optimizer": "sgd"})
    space = {"training.optimizer": Choice(values=("sgd", "adamw")), "training.momentum": momentum}
    [note] = check_space(digits_sweep(search="gp", space=space))
    assert "draws at random: training.momentum" in note
    [note] = check_space(digits_sweep(scheduler="hyperband"))
    assert "HyperBand has one first rung" in note
