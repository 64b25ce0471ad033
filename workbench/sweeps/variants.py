"""What a sweep's trials differ in before the net: their data, and the fold they are validated on."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nets.config import override
from nets.errors import ConfigError
from workbench.bridge import Prepared, prepare
from workbench.cluster import Session
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice
from workbench.progress import Progress
from workbench.results import Configuration, Settings, TrialResult
from workbench.training.learner import check_task, new_net

FOLD = "data.split.fold"
_BEFORE_THE_NET = ("data.", "preparation.")


@dataclass(frozen=True, kw_only=True)
class Variants:
    """The data of every trial: mostly one for all, else one for each combination that the space has.

    Vocabularies, means and all else that is fitted on training rows belong to a variant: a fold
    never sees figures of the rows it is validated on.
    """

    prepared: dict[str, Prepared]

    def of(self, settings: Mapping[str, Any]) -> Prepared:
        """What a trial with these settings trains on."""
        return self.prepared[_key(settings)]

    @property
    def first(self) -> Prepared:
        """One of them, for what all have in common."""
        return next(iter(self.prepared.values()))


def prepare_variants(experiment: Experiment, session: Session, progress: Progress) -> Variants:
    """Prepare the data for all trials of a sweep, once for each combination of its settings.

    Raises:
        ConfigError: the net, its loss or the sweep's metric do not go with some of the data.
    """
    varied = {
        path: parameter.values
        for path, parameter in experiment.sweep.space.items()
        if path.startswith(_BEFORE_THE_NET) and isinstance(parameter, Choice)
    }
    found = {}
    for values in itertools.product(*varied.values()):
        settings = dict(zip(varied, values, strict=True))
        chosen = override(experiment, settings)
        prepared = prepare(chosen.data, chosen.preparation, session, progress=progress)
        check_task(chosen, prepared, experiment.sweep.metric)
        new_net(chosen, prepared)
        found[_key(settings)] = prepared
    return Variants(prepared=found)


def _key(settings: Mapping[str, Any]) -> str:
    def plain(value: Any) -> Any:  # a list travels through a search as JSON
        return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value

    chosen = {p: plain(value) for p, value in settings.items() if p.startswith(_BEFORE_THE_NET)}
    return json.dumps(chosen, sort_keys=True)


def with_folds(experiment: Experiment) -> Experiment:
    """The same, its space with every fold where `data.split.folds` asks for cross-validation.

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


def check_data_space(experiment: Experiment) -> None:
    """Refuse ranges of settings that data has to be prepared for.

    Raises:
        ConfigError: a setting of data or preparation has no list of values.
    """
    for path, parameter in experiment.sweep.space.items():
        if path.startswith(_BEFORE_THE_NET) and not isinstance(parameter, Choice):
            raise ConfigError(
                f"data is prepared before the trials, so {path!r} needs a list of values, got a "
                f"range from {parameter.low} to {parameter.high}."
            )


def configurations(trials: Sequence[TrialResult], mode: str) -> list[Configuration]:
    """Trials that differ in nothing but the fold, taken together; the best mean first."""
    together: dict[str, list[TrialResult]] = {}
    for trial in trials:
        settings = {path: value for path, value in trial.settings.items() if path != FOLD}
        together.setdefault(json.dumps(settings, sort_keys=True), []).append(trial)
    found = []
    for key, members in together.items():
        values = [trial.value for trial in members if trial.value is not None]
        whole = len(values) == len(members)
        found.append(
            Configuration(
                settings=json.loads(key),
                trials=sorted(members, key=lambda trial: trial.settings.get(FOLD, 0)),
                mean=statistics.fmean(values) if whole else None,
                deviation=statistics.stdev(values) if whole and len(values) > 1 else None,
            )
        )
    sign = -1 if mode == "max" else 1
    return sorted(found, key=lambda c: (c.mean is None, sign * (c.mean or 0), c.trials[0].number))


def folded(settings: Sequence[Settings], folds: Sequence[Any]) -> list[Settings]:
    """Each of the settings with each of the folds."""
    return [one | {FOLD: fold} for one in settings for fold in folds]
