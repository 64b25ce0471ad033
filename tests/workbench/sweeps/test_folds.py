"""Cross-validation as a dimension of a sweep."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql import SparkSession

from nets import ConfigError, PreparationConfig
from tests.workbench.small import digits_sweep
from tracking import MemoryRecorder
from workbench.cluster import Session
from workbench.data.config import DataConfig, SplitConfig
from workbench.data.split import draw_splits
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.results import TrialResult
from workbench.sweeps.checks import check_space
from workbench.sweeps.draws import grid, random_draws
from workbench.sweeps.driver import sweep
from workbench.sweeps.folds import FOLD, add_folds, group_folds
from workbench.sweeps.search import plan_trials


def folded(folds: int = 3, **changes: Any) -> Experiment:
    experiment = digits_sweep(**changes)
    return replace(experiment, data=DataConfig(split=SplitConfig(folds=folds)))


FOLDED = SweepConfig(space={FOLD: Choice(values=(0, 1))})


def trial(number: int, fold: int, value: float | None, rate: float = 0.1) -> TrialResult:
    settings = {"training.learning_rate": rate, FOLD: fold}
    return TrialResult(number=number, run_id=f"r{number}", settings=settings, value=value)


def test_every_draw_is_tried_on_every_fold() -> None:
    config = add_folds(folded(num_trials=4)).sweep
    draws = random_draws(config)
    assert len(draws) == 12
    assert [draw[FOLD] for draw in draws] == [0, 1, 2] * 4
    without = [{k: v for k, v in draw.items() if k != FOLD} for draw in draws]
    assert without[0] == without[1] == without[2] != without[3]
    assert without[::3] == random_draws(folded(num_trials=4).sweep)
    listed = add_folds(folded(space={"training.batch_size": Choice(values=(32, 64))})).sweep
    assert [settings[FOLD] for settings in grid(listed)] == [0, 1, 2, 0, 1, 2]


def test_without_folds_nothing_changes() -> None:
    assert add_folds(digits_sweep()) == digits_sweep()


def test_means_and_deviations_rank_configurations() -> None:
    trials = [trial(1, 0, 0.9), trial(2, 1, 0.7), trial(3, 0, 0.81, 0.2), trial(4, 1, 0.83, 0.2)]
    best, second = group_folds(trials, FOLDED)
    assert best.settings == {"training.learning_rate": 0.2}
    assert best.mean == pytest.approx(0.82)
    assert second.deviation == pytest.approx(statistics.stdev([0.9, 0.7]))
    assert [t.number for t in second.trials] == [1, 2]
    assert group_folds(trials, replace(FOLDED, mode="min"))[0].settings == {
        "training.learning_rate": 0.1
    }


def test_a_configuration_with_a_failed_fold_has_no_mean_and_comes_last() -> None:
    found = group_folds(
        [trial(1, 0, 0.99), trial(2, 1, None), trial(3, 0, 0.5, 0.2), trial(4, 1, 0.5, 0.2)], FOLDED
    )
    assert [configuration.mean for configuration in found] == [0.5, None]


def test_a_scheduler_that_would_favour_a_fold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cross-validation .*sweep.scheduler to none"):
        add_folds(folded(scheduler="asha"))


def test_a_search_that_learns_gives_each_setting_every_fold() -> None:
    search = plan_trials(add_folds(folded(search="tpe", num_trials=3)).sweep, [])[1]
    assert search is not None
    asked = [search.suggest(str(number))["settings"] for number in range(9)]
    assert [settings[FOLD] for settings in asked] == [0, 1, 2] * 3
    assert len({settings["training.learning_rate"] for settings in asked}) == 3


def test_data_is_not_prepared_for_a_range() -> None:
    space = {"data.split.validation": Uniform(low=0.1, high=0.3)}
    with pytest.raises(ConfigError, match=r"'data.split.validation' needs a list of values"):
        check_space(digits_sweep(space=space))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"folds": 3, "fold": 3}, "fold 3 of 3 folds"),
        ({"fold": 1}, "fold 1 of no folds"),
        ({"folds": 3, "by": "time"}, "would train on what comes after"),
    ],
)
def test_folds_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SplitConfig(**settings)


@pytest.mark.cluster
@pytest.mark.parametrize("by", ["rows", "group"])
def test_every_row_is_validated_on_once(session: Session, by: Any) -> None:
    spark: SparkSession = session.spark
    rows = [(f"{i}", i % 2, None, f"g{i // 4}") for i in range(120)]
    frame = spark.createDataFrame(rows, "key string, label long, split string, `group` string")
    seen: Counter[str] = Counter()
    tests = set()
    for fold in range(4):
        config = SplitConfig(by=by, test=0.2, folds=4, fold=fold)
        found = draw_splits(frame, config).collect()
        held = [row for row in found if row["split"] == "validation"]
        assert len(held) == 24
        assert sum(row["label"] for row in held) == 12
        seen.update(row["key"] for row in held)
        tests.add(frozenset(row["key"] for row in found if row["split"] == "test"))
        if by == "group":
            assert len({(row["group"], row["split"]) for row in found}) == 30
    assert len(tests) == 1 and len(next(iter(tests))) == 24
    assert set(seen.values()) == {1} and len(seen) == 96


@pytest.mark.cluster
def test_a_sweep_with_folds_says_mean_and_deviation(session: Session) -> None:
    recorder = MemoryRecorder()
    space = {"training.learning_rate": Choice(values=(3e-3, 1e-5))}
    experiment = folded(2, space=space, search="grid", keep=1)
    result = sweep(experiment, session=session, recorder=recorder)
    assert [t.settings[FOLD] for t in result.trials] == [0, 1, 0, 1]
    best, worst = result.configurations
    assert best.settings == {"training.learning_rate": 3e-3}
    assert best.mean is not None and worst.mean is not None and best.mean > worst.mean
    assert best.mean == pytest.approx(statistics.fmean(t.value or 0 for t in best.trials))
    run = recorder.runs[result.run_id]
    assert run.run.metrics["folds/validation/accuracy/mean"] == pytest.approx(best.mean)
    told = json.loads(run.artifacts["cross_validation.json"])
    assert [c["settings"] for c in told["configurations"]] == [best.settings, worst.settings]
    assert json.loads(run.run.tags["workbench.best_settings"]) == best.settings
    prints = {recorder.runs[t.run_id].run.tags["workbench.fingerprint"] for t in result.trials}
    assert len(prints) == 2  # one for each fold


@pytest.mark.cluster
def test_a_sweep_over_preparations_prepares_each(session: Session) -> None:
    space = {"preparation.method": Choice(values=("none", "standardize"))}
    recorder = MemoryRecorder()
    experiment = digits_sweep(space=space, search="grid", keep=2)
    result = sweep(experiment, session=session, recorder=recorder)
    for one in result.trials:
        files = recorder.runs[one.run_id].artifacts
        described = next(v for k, v in files.items() if k.endswith("model.json"))
        assert json.loads(described)["preparation"] == one.settings["preparation.method"]
    assert PreparationConfig().method == "standardize"
