"""Optuna's samplers behind two calls: `ask` for settings, `tell` what came of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from workbench.experiments.combinations import combinations, is_active, key_of, ordered, plain
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.results import Settings
from workbench.sweeps.draws import count_settings, draw_settings
from workbench.sweeps.folds import searched
from workbench.sweeps.objectives import objectives

_AGAIN = 10
"""How often a sampler is asked again where it gives settings that were tried."""
_DRAWS = 1000

Values = Sequence[float]
"""One for each objective."""


class Study:
    """A search that learns. No settings are given twice."""

    def __init__(
        self, config: SweepConfig, earlier: Sequence[tuple[Settings, Values | None]] = ()
    ) -> None:
        """
        Args:
            earlier: settings that were tried, and what came of them; None: nothing, they are only not
                given again.
        """
        optuna.logging.disable_default_handler()
        optuna.logging.enable_propagation()
        self._config, self._space = config, ordered(searched(config))
        self._finite = count_settings(config) is not None
        seed = config.seed + len(earlier)
        self._generator = np.random.default_rng(seed)
        self._given: dict[str, Trial | None] = {key_of(settings): None for settings, _ in earlier}
        known = [(settings, values) for settings, values in earlier if values is not None]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = _make_sampler(config, seed, self._best(known))
        modes = objectives(config).values()
        self._study = optuna.create_study(
            sampler=sampler, directions=["maximize" if m == "max" else "minimize" for m in modes]
        )
        self._study.add_trials([self._finished(settings, values) for settings, values in known])

    def ask(self) -> Settings | None:
        """Settings that were not given before; None: the space has no others."""
        for _ in range(_AGAIN):
            trial = self._study.ask()
            settings = self._suggest(trial)
            if key_of(settings) not in self._given:
                self._given[key_of(settings)] = trial
                return settings
            self._study.tell(trial, state=TrialState.FAIL)
        fresh = self._draw_other()
        if fresh is None:
            return None
        self._study.enqueue_trial(fresh)
        trial = self._study.ask()
        settings = self._suggest(trial)
        self._given[key_of(settings)] = trial
        return settings

    def tell(self, settings: Settings, values: Values | None) -> None:
        """What came of the settings: a value for each objective. None: nothing that can be compared."""
        trial = self._given[key_of(settings)]
        usable = values is not None and not any(math.isnan(value) for value in values)
        if trial is None:  # given by the sweep that this one resumes
            if usable and values is not None:
                self._study.add_trial(self._finished(settings, values))
        elif usable and values is not None:
            self._study.tell(trial, list(values))
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _suggest(self, trial: Trial) -> Settings:
        settings: Settings = {}
        for path, parameter in self._space.items():
            if not is_active(parameter, settings):
                continue
            if isinstance(parameter, Choice):
                values = [plain(value) for value in parameter.values]
                settings[path] = trial.suggest_categorical(path, values)
            else:
                low, high, log = parameter.low, parameter.high, parameter.log
                settings[path] = trial.suggest_float(path, low, high, log=log)
        return settings

    def _draw_other(self) -> Settings | None:
        if self._finite:
            others = [s for s in combinations(self._space) if key_of(s) not in self._given]
            return others[int(self._generator.integers(len(others)))] if others else None
        draws = (draw_settings(self._space, self._generator) for _ in range(_DRAWS))
        return next((draw for draw in draws if key_of(draw) not in self._given), None)

    def _best(self, known: Sequence[tuple[Settings, Values]]) -> Settings | None:
        sign = -1 if self._config.mode == "max" else 1
        return min(known, key=lambda one: sign * one[1][0])[0] if known else None

    def _finished(self, settings: Settings, values: Values) -> FrozenTrial:
        distributions = {path: _distribution(self._space[path]) for path in settings}
        return optuna.trial.create_trial(
            params=settings, distributions=distributions, values=list(values)
        )


def _distribution(parameter: Choice | Uniform) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution([plain(value) for value in parameter.values])
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _make_sampler(config: SweepConfig, seed: int, best: Settings | None) -> BaseSampler:
    if config.search == "gp":
        return GPSampler(seed=seed)
    if config.search == "cmaes":
        # A resumed search begins anew around the best so far.
        ranges = {p for p, one in searched(config).items() if isinstance(one, Uniform)}
        start: dict[str, Any] | None = None
        if best is not None:
            start = {path: value for path, value in best.items() if path in ranges}
        return CmaEsSampler(seed=seed, x0=start, warn_independent_sampling=False)
    return TPESampler(seed=seed)
