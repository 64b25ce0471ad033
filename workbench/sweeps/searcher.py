"""A `Study` as Ray Tune asks it: one trial at a time, each setting with all its folds and seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.search import Searcher

from nets import best_epoch
from workbench.experiments.combinations import key_of
from workbench.experiments.space import SweepConfig
from workbench.results import Settings, TrialResult
from workbench.sweeps.folds import replicated, setting_of
from workbench.sweeps.objectives import PARAMETERS, objectives, read_values
from workbench.sweeps.ranking import read_trial
from workbench.sweeps.study import Study, Values

USED_PARAMETERS = "workbench.used.parameters"
"""The tag with the number of a net's parameters."""


class StudySearcher(Searcher):
    """Gives Ray Tune the trials of one setting after the other, and the study the mean of each."""

    def __init__(self, config: SweepConfig, earlier: Sequence[TrialResult]) -> None:
        super().__init__(metric=f"metrics/{config.metric}", mode=config.mode)
        self._config, self._each = config, replicated(config)
        groups: dict[str, list[TrialResult]] = {}
        for trial in earlier:
            groups.setdefault(key_of(setting_of(trial.settings, config)), []).append(trial)
        self._waiting: list[Settings] = []
        self._told: dict[str, list[Values | None]] = {}
        known: list[tuple[Settings, Values | None]] = []
        for key, trials in groups.items():
            setting = setting_of(trials[0].settings, config)
            values: list[Values | None] = [read_trial(trial, config) for trial in trials]
            done = {key_of(trial.settings) for trial in trials}
            missing = [s for each in self._each if key_of(s := setting | each) not in done]
            if missing:  # the sweep was stopped among them: they come first
                self._waiting += missing
                self._told[key] = values
            known.append((setting, None if missing else self._mean(values)))
        self._study = Study(config, known)
        settings_left = max(0, config.num_trials - len(groups))
        self.left = len(self._waiting) + settings_left * len(self._each)
        """Trials that are not done yet."""
        self._asked: dict[str, Settings] = {}
        self._best: dict[str, dict[str, float]] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The next trial's settings."""
        if not self._waiting:
            setting = self._study.ask()
            if setting is None:
                return str(Searcher.FINISHED)
            self._waiting = [setting | each for each in self._each]
        self._asked[trial_id] = self._waiting.pop(0)
        return {"settings": self._asked[trial_id]}

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Keep the best epoch of a trial, as its leaderboard does."""
        for metrics in read_epochs(result):
            before = self._best.get(trial_id)
            name = self._config.metric
            points = [(one["epoch"], one[name]) for one in (before, metrics) if one is not None]
            if best_epoch(points, self._config.mode) == points[-1]:
                self._best[trial_id] = metrics

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study, once all trials of the setting have ended."""
        trial = self._asked.pop(trial_id, None)
        if trial is None:
            return
        if result and not result.get("verdict"):
            self.on_trial_result(trial_id, result)
        best = self._best.pop(trial_id, None)
        values: Values | None = None
        if best is not None and not error:
            values = read_values(best, self._config)
        if result and result.get("verdict"):
            values = self._worst()
        setting = setting_of(trial, self._config)
        told = self._told.setdefault(key_of(setting), [])
        told.append(values)
        if len(told) == len(self._each):
            self._study.tell(setting, self._mean(self._told.pop(key_of(setting))))

    def _worst(self) -> Values | None:
        """What a diverged trial is worth: the search is to keep away from there."""
        if len(objectives(self._config)) > 1:
            return None
        return [-math.inf if self._config.mode == "max" else math.inf]

    def _mean(self, values: Sequence[Values | None]) -> Values | None:
        present = [one for one in values if one is not None]
        if len(present) < len(values):
            return None
        return [statistics.fmean(column) for column in zip(*present, strict=True)]

    def save(self, checkpoint_path: str) -> None:
        """Write nothing of use: a sweep resumes from the tracking store."""
        with open(checkpoint_path, "wb"):
            pass

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is read back."""


def read_epochs(result: Mapping[str, Any]) -> list[dict[str, float]]:
    """The metrics of each epoch in a report, with the number of parameters where it is known.

    Args:
        result: as a trial reports it, or flattened by Ray Tune.
    """
    flat = {k.removeprefix("metrics/"): v for k, v in result.items() if k.startswith("metrics/")}
    epochs = list(result.get("epochs") or [result.get("metrics", flat)])
    count = read_parameters(result)
    more = {} if count is None else {PARAMETERS: count}
    return [{**metrics, **more} for metrics in epochs if metrics]


def read_parameters(result: Mapping[str, Any]) -> float | None:
    """The number of the net's parameters, from what a worker says that it uses."""
    part = result.get("part")  # of a trial on several workers
    used = part.used if part else result.get("used", {})
    count = used.get(USED_PARAMETERS, result.get(f"used/{USED_PARAMETERS}"))
    return None if count is None else float(count)
