"""Which settings a sweep tries: lists made beforehand, or a search that learns from the trials."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.results import Settings, TrialResult
from workbench.sweeps.folds import FOLD, cross_with_folds


def candidates(parameter: Choice | Uniform) -> tuple[Any, ...]:
    """The values, or the bounds, of a parameter."""
    if isinstance(parameter, Choice):
        return parameter.values
    return (parameter.low, parameter.high)


def plan_trials(
    config: SweepConfig, earlier: list[TrialResult]
) -> tuple[dict[str, Any], Any, int | None, int]:
    """What Ray Tune tries: (param_space, search algorithm, num_samples, trials in total).

    A grid and a random search are lists made here, so that a resumed sweep goes on with the same
    list; a Bayesian search gets the results of the earlier trials.
    """
    if config.search == "bayes":
        left = max(0, config.num_trials - len(earlier))
        return {}, _bayes(config, earlier), left, len(earlier) + left
    settings = grid(config) if config.search == "grid" else random_draws(config)
    done = [json.dumps(trial.settings, sort_keys=True) for trial in earlier]
    left_over = [s for s in settings if json.dumps(s, sort_keys=True) not in done]
    space = {"settings": tune.grid_search(left_over)}
    return space, None, None, len(earlier) + len(left_over)


def grid(config: SweepConfig) -> list[Settings]:
    """Every combination of the listed values, the last path varying fastest."""
    paths = list(config.space)
    values = [[_plain(v) for v in candidates(parameter)] for parameter in config.space.values()]
    return [
        dict(zip(paths, combination, strict=True)) for combination in itertools.product(*values)
    ]


def random_draws(config: SweepConfig) -> list[Settings]:
    """`num_trials` independent draws, the same for the same seed; each with every fold there is."""
    generator = np.random.default_rng(config.seed)
    searched = {path: parameter for path, parameter in config.space.items() if path != FOLD}
    draws = [
        {path: _draw(parameter, generator) for path, parameter in searched.items()}
        for _ in range(config.num_trials)
    ]
    return (
        cross_with_folds(draws, candidates(config.space[FOLD])) if FOLD in config.space else draws
    )


def _draw(parameter: Choice | Uniform, generator: np.random.Generator) -> Any:
    if isinstance(parameter, Choice):
        return _plain(parameter.values[int(generator.integers(len(parameter.values)))])
    if parameter.log:
        return math.exp(generator.uniform(math.log(parameter.low), math.log(parameter.high)))
    return float(generator.uniform(parameter.low, parameter.high))


def _plain(value: Any) -> Any:
    """Search algorithms take scalars; a list travels as JSON, which `override` reads back."""
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def _bayes(config: SweepConfig, earlier: list[TrialResult]) -> OptunaSearch:
    import optuna

    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    space: dict[str, optuna.distributions.BaseDistribution] = {}
    for path, parameter in config.space.items():
        if isinstance(parameter, Choice):
            values = [_plain(value) for value in parameter.values]
            space[path] = optuna.distributions.CategoricalDistribution(values)
        else:
            low, high, log = parameter.low, parameter.high, parameter.log
            space[path] = optuna.distributions.FloatDistribution(low, high, log=log)
    known = [trial for trial in earlier if trial.value is not None]
    return OptunaSearch(
        space=space,
        metric=f"metrics/{config.metric}",
        mode=config.mode,
        seed=config.seed + len(earlier),
        points_to_evaluate=[trial.settings for trial in known] or None,
        evaluated_rewards=[trial.value for trial in known] or None,
    )
