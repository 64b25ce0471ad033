"""Which settings a sweep tries: lists made beforehand, or a search that learns from the trials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from workbench.experiments.combinations import key_of
from workbench.experiments.space import SweepConfig
from workbench.results import Settings, TrialResult
from workbench.sweeps.draws import count_settings, even_draws, grid, random_draws
from workbench.sweeps.folds import replicated
from workbench.sweeps.searcher import StudySearcher


def plan_trials(
    config: SweepConfig, earlier: list[TrialResult]
) -> tuple[dict[str, Any], Searcher | None, int | None, int]:
    """What Ray Tune tries: (param_space, search algorithm, num_samples, trials in total).

    A grid and the draws of random and qmc are lists made here, so that a resumed sweep goes on with
    the same list; the searches that learn get the results of the earlier trials. Where the space has
    no more settings than there are trials, there is nothing to learn: each is tried once.
    """
    size = count_settings(config)
    if learns(config) and (size is None or size > config.num_trials):
        search = StudySearcher(config, earlier)
        return {}, search, search.left, len(earlier) + search.left
    done = {key_of(trial.settings) for trial in earlier}
    left_over = [s for s in list_settings(config) if key_of(s) not in done]
    space = {"settings": tune.grid_search(left_over)}
    return space, None, None, len(earlier) + len(left_over)


def learns(config: SweepConfig) -> bool:
    """Whether the search chooses by the results of the trials before."""
    return config.search in ("bayes", "tpe", "gp", "cmaes")


def list_settings(config: SweepConfig) -> list[Settings]:
    """All settings that a sweep tries, in order, where they do not depend on results."""
    if config.search == "grid":
        return grid(config)
    return even_draws(config) if config.search == "qmc" else random_draws(config)


def limit_trials(config: SweepConfig) -> tuple[SweepConfig, str | None]:
    """The sweep with no more trials than its space has settings, and a sentence that says so."""
    size = count_settings(config)
    if config.search == "grid" or size is None or size >= config.num_trials:
        return config, None
    each = len(replicated(config))
    several = f", each trained {each} times" if each > 1 else ""
    trials = "1 trial runs" if size * each == 1 else f"{size * each} trials run"
    message = (
        f"The space has {size} setting{'s' if size > 1 else ''}{several}; {trials} instead of "
        f"{config.num_trials * each}."
    )
    return replace(config, num_trials=size), message
