"""Which settings a sweep tries: lists made beforehand, or a search that learns from the trials."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
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
    list; a Bayesian search gets the results of the earlier trials. Where the space has no more
    settings than there are trials, there is nothing to learn: each is tried once.
    """
    size = count_settings(config)
    if config.search == "bayes" and (size is None or size > config.num_trials):
        left = max(0, config.num_trials - len(earlier))
        return {}, _bayes(config, earlier), left, len(earlier) + left
    settings = grid(config) if config.search == "grid" else random_draws(config)
    done = {_key(trial.settings) for trial in earlier}
    left_over = [s for s in settings if _key(s) not in done]
    space = {"settings": tune.grid_search(left_over)}
    return space, None, None, len(earlier) + len(left_over)


def count_settings(config: SweepConfig) -> int | None:
    """How many different settings the space has, without the folds; None: it has a range."""
    size = 1
    for path, parameter in config.space.items():
        if isinstance(parameter, Uniform):
            return None
        if path != FOLD:
            size *= len({_key(_plain(value)) for value in parameter.values})
    return size


def limit_trials(config: SweepConfig) -> tuple[SweepConfig, str | None]:
    """The sweep with no more trials than its space has settings, and a sentence that says so."""
    size = count_settings(config)
    if config.search == "grid" or size is None or size >= config.num_trials:
        return config, None
    folds = len(candidates(config.space[FOLD])) if FOLD in config.space else 1
    each = f", each on {folds} folds" if folds > 1 else ""
    trials = "1 trial runs" if size * folds == 1 else f"{size * folds} trials run"
    message = (
        f"The space has {size} setting{'s' if size > 1 else ''}{each}; {trials} instead of "
        f"{config.num_trials * folds}."
    )
    return replace(config, num_trials=size), message


def grid(config: SweepConfig) -> list[Settings]:
    """Every combination of the listed values, the last path varying fastest."""
    paths = list(config.space)
    values = [[_plain(v) for v in candidates(parameter)] for parameter in config.space.values()]
    return [
        dict(zip(paths, combination, strict=True)) for combination in itertools.product(*values)
    ]


def random_draws(config: SweepConfig) -> list[Settings]:
    """`num_trials` draws, the same for the same seed; each with every fold there is.

    No setting is drawn twice: a space with fewer settings gives each of them once.
    """
    generator = np.random.default_rng(config.seed)
    searched = {path: parameter for path, parameter in config.space.items() if path != FOLD}
    size = count_settings(config)
    by_key: dict[str, Settings] = {}
    while len(by_key) < min(config.num_trials, size or config.num_trials):
        draw = {path: _draw(parameter, generator) for path, parameter in searched.items()}
        # Draws from a range hardly ever repeat.
        by_key.setdefault(_key(draw) if size else str(len(by_key)), draw)
    draws = list(by_key.values())
    return (
        cross_with_folds(draws, candidates(config.space[FOLD])) if FOLD in config.space else draws
    )


def _draw(parameter: Choice | Uniform, generator: np.random.Generator) -> Any:
    if isinstance(parameter, Choice):
        return _plain(parameter.values[int(generator.integers(len(parameter.values)))])
    if parameter.log:
        return math.exp(generator.uniform(math.log(parameter.low), math.log(parameter.high)))
    return float(generator.uniform(parameter.low, parameter.high))


def _key(settings: Any) -> str:
    return json.dumps(settings, sort_keys=True)


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
