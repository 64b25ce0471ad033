"""Cross-validation in a sweep: every configuration is trained once per fold."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nets.errors import ConfigError
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice
from workbench.results import Configuration, Settings, TrialResult

FOLD = "data.split.fold"
"""The setting that says which fold a trial is validated on."""


def add_folds(experiment: Experiment) -> Experiment:
    """Add every fold to the space where `data.split.folds` asks for cross-validation.

    Raises:
        ConfigError: a search that would choose among folds, or stop some of them early.
    """
    folds, sweep = experiment.data.split.folds, experiment.sweep
    if folds is None:
        return experiment
    if sweep.search == "bayes" or sweep.scheduler != "none":
        raise ConfigError(
            f"cross-validation (data.split.folds {folds}) trains every configuration on every fold "
            f"to its end, got search {sweep.search!r} and scheduler {sweep.scheduler!r}. Set "
            "sweep.search to grid or random and sweep.scheduler to none."
        )
    space = {FOLD: Choice(values=tuple(range(folds)))} | sweep.space
    # Last, so that a grid has the folds of a configuration side by side.
    space[FOLD] = space.pop(FOLD)
    return replace(experiment, sweep=replace(sweep, space=space))


def group_folds(trials: Sequence[TrialResult], mode: str) -> list[Configuration]:
    """One configuration for all trials that differ in the fold only; the best mean first."""
    groups: dict[str, list[TrialResult]] = {}
    for trial in trials:
        settings = {path: value for path, value in trial.settings.items() if path != FOLD}
        groups.setdefault(json.dumps(settings, sort_keys=True), []).append(trial)
    configurations = []
    for key, members in groups.items():
        values = [trial.value for trial in members if trial.value is not None]
        whole = len(values) == len(members)
        configurations.append(
            Configuration(
                settings=json.loads(key),
                trials=sorted(members, key=lambda trial: trial.settings.get(FOLD, 0)),
                mean=statistics.fmean(values) if whole else None,
                deviation=statistics.stdev(values) if whole and len(values) > 1 else None,
            )
        )
    sign = -1 if mode == "max" else 1
    return sorted(
        configurations, key=lambda c: (c.mean is None, sign * (c.mean or 0), c.trials[0].number)
    )


def cross_with_folds(settings: Sequence[Settings], folds: Sequence[Any]) -> list[Settings]:
    """Each of the settings with each of the folds."""
    return [one | {FOLD: fold} for one in settings for fold in folds]
