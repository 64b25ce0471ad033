"""Cross-validation and repeats in a sweep: every setting is trained once for each fold and seed."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nets.errors import ConfigError
from workbench.experiments.combinations import candidates
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, SweepConfig
from workbench.results import Configuration, Settings, TrialResult

FOLD = "data.split.fold"
"""The setting that says which fold a trial is validated on."""
SEED = "training.seed"
"""The setting that differs between the repeats of a setting."""


def add_folds(experiment: Experiment) -> Experiment:
    """Add to the space every fold of a cross-validation (`data.split.folds`) and every seed of repeats
    (`sweep.repeats`).

    Raises:
        ConfigError: a scheduler that would stop some folds or repeats early; seeds that are searched
            as well.
    """
    folds, sweep = experiment.data.split.folds, experiment.sweep
    each: dict[str, Choice] = {}
    if folds is not None:
        each[FOLD] = Choice(values=tuple(range(folds)))
        _check_scheduler(sweep, f"cross-validation (data.split.folds {folds})", "fold")
    if sweep.repeats > 1:
        first = experiment.training.seed
        each[SEED] = Choice(values=tuple(range(first, first + sweep.repeats)))
        _check_scheduler(sweep, f"sweep.repeats {sweep.repeats}", "seed")
        if sweep.space.get(SEED, each[SEED]) != each[SEED]:
            raise ConfigError(
                f"sweep.repeats {sweep.repeats} gives each setting its seeds, and the space searches "
                f"{SEED} as well. Leave one of them out."
            )
    # Last, so that a grid has those of one setting side by side.
    space = {path: one for path, one in sweep.space.items() if path not in each} | each
    return replace(experiment, sweep=replace(sweep, space=space)) if each else experiment


def without_folds(experiment: Experiment) -> Experiment:
    """The experiment without what `add_folds` has added."""
    added = []
    if experiment.data.split.folds is not None:
        added.append(FOLD)
    if experiment.sweep.repeats > 1:
        added.append(SEED)
    space = {path: one for path, one in experiment.sweep.space.items() if path not in added}
    return replace(experiment, sweep=replace(experiment.sweep, space=space))


def _check_scheduler(sweep: SweepConfig, what: str, each: str) -> None:
    if sweep.scheduler != "none":
        raise ConfigError(
            f"{what} trains every setting with every {each} to its end, and the mean counts, got "
            f"sweep.scheduler {sweep.scheduler!r}. Set sweep.scheduler to none (--scheduler none)."
        )


def replicated(config: SweepConfig) -> list[Settings]:
    """The fold and the seed of each trial of one setting; `[{}]` where a setting has one trial."""
    paths = [p for p in (FOLD, SEED) if p in config.space and (p == FOLD or config.repeats > 1)]
    values = [candidates(config.space[path]) for path in paths]
    return [dict(zip(paths, each, strict=True)) for each in itertools.product(*values)]


def searched(config: SweepConfig) -> dict[str, Any]:
    """The space without folds and repeats."""
    paths = replicated(config)[0].keys()
    return {path: one for path, one in config.space.items() if path not in paths}


def setting_of(trial: Settings, config: SweepConfig) -> Settings:
    """What the search chose for a trial, without its fold and its repeat."""
    paths = replicated(config)[0].keys()
    return {path: value for path, value in trial.items() if path not in paths}


def group_folds(trials: Sequence[TrialResult], config: SweepConfig) -> list[Configuration]:
    """One configuration for all trials that differ in the fold or the repeat only; the best mean first."""
    groups: dict[str, list[TrialResult]] = {}
    for trial in trials:
        key = json.dumps(setting_of(trial.settings, config), sort_keys=True)
        groups.setdefault(key, []).append(trial)
    number = len(replicated(config))
    configurations = []
    for key, members in groups.items():
        ended = [trial for trial in members if trial.status != "KILLED"]
        values = [trial.value for trial in ended if trial.value is not None]
        whole = len(values) == len(members) == number
        configurations.append(
            Configuration(
                settings=json.loads(key),
                trials=sorted(members, key=lambda trial: _place(trial.settings)),
                mean=statistics.fmean(values) if whole else None,
                deviation=statistics.stdev(values) if whole and len(values) > 1 else None,
            )
        )
    sign = -1 if config.mode == "max" else 1
    return sorted(
        configurations, key=lambda c: (c.mean is None, sign * (c.mean or 0), c.trials[0].number)
    )


def _place(settings: Settings) -> tuple[int, int]:
    return settings.get(FOLD, 0), settings.get(SEED, 0)


def cross_with_folds(settings: Sequence[Settings], config: SweepConfig) -> list[Settings]:
    """Each of the settings with each fold and seed."""
    return [one | each for one in settings for each in replicated(config)]
