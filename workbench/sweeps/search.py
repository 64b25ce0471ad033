"""Which settings a sweep tries: lists made beforehand, or a search that learns from the trials."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.results import Settings, TrialResult
from workbench.sweeps.variants import FOLD, folded

_EPOCH = "metrics/epoch"
"""What schedulers count by: a report may be of several epochs."""


def candidates(parameter: Choice | Uniform) -> tuple[Any, ...]:
    """The values, or the bounds, of a parameter."""
    if isinstance(parameter, Choice):
        return parameter.values
    return (parameter.low, parameter.high)


def plan(
    config: SweepConfig, earlier: list[TrialResult]
) -> tuple[dict[str, Any], Any, int | None, int]:
    """What Ray Tune is to try: (param_space, search algorithm, num_samples, trials in total).

    A grid and a random search are lists made here, so that a resumed sweep goes on with the same
    list; a Bayesian search is told what the earlier trials reached.
    """
    if config.search == "bayes":
        left = max(0, config.num_trials - len(earlier))
        return {}, _bayes(config, earlier), left, len(earlier) + left
    wanted = grid(config) if config.search == "grid" else random_draws(config)
    done = [json.dumps(trial.settings, sort_keys=True) for trial in earlier]
    left_over = [s for s in wanted if json.dumps(s, sort_keys=True) not in done]
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
    drawn = {path: parameter for path, parameter in config.space.items() if path != FOLD}
    found = [
        {path: _draw(parameter, generator) for path, parameter in drawn.items()}
        for _ in range(config.num_trials)
    ]
    return folded(found, candidates(config.space[FOLD])) if FOLD in config.space else found


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


class _Next:
    """Chooses the trial that a process which is free takes.

    Ray Tune's own choice is the first that waits. While processes start, that is one whose process
    starts: it is ended for it, another one is started for a later trial, and where trials are
    shorter than a start the same happens to that one.
    """

    slots: int
    """How many trials may run at once."""

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        trials = tune_controller.get_trials()
        waiting = [trial for trial in trials if trial.status == Trial.PENDING]
        starting = self.slots - sum(trial.status == Trial.RUNNING for trial in trials)
        return waiting[starting] if 0 <= starting < len(waiting) else None


class _Fifo(_Next, FIFOScheduler):
    pass


class _Asha(_Next, ASHAScheduler):
    pass


class _Median(_Next, MedianStoppingRule):
    pass


def scheduler(config: SweepConfig, epochs: int, slots: int) -> TrialScheduler:
    """Ray Tune's scheduler for the sweep's setting.

    Args:
        slots: how many trials may run at once, or more.
    """
    made: _Fifo | _Asha | _Median
    if config.scheduler == "asha":
        made = _Asha(
            time_attr=_EPOCH,
            max_t=epochs,
            grace_period=min(config.grace_epochs, epochs),
            reduction_factor=config.reduction_factor,
        )
    elif config.scheduler == "median":
        made = _Median(time_attr=_EPOCH, grace_period=config.grace_epochs, min_samples_required=3)
    else:
        made = _Fifo()
    made.slots = slots
    return made
