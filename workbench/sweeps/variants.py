"""The data of a sweep's trials, where settings of data or preparation are searched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.bridge import Prepared
from workbench.cluster import Session
from workbench.experiments.changes import override
from workbench.experiments.combinations import candidates, combinations, with_conditions
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.sweeps.objectives import PARAMETERS
from workbench.training.checks import check_prepared, describe_large_batch
from workbench.training.learner import check_task, new_net
from workbench.training.preparing import prepare_experiment

BEFORE_THE_NET = ("data.", "preparation.")
"""Settings that the data has to be prepared for."""


@dataclass(frozen=True, kw_only=True)
class Variants:
    """The data of every trial: mostly one for all, else one for each combination that the space has.

    Vocabularies, means and all else that is fitted on training rows belong to a variant: a fold
    never sees figures of the rows it is validated on.
    """

    prepared: dict[str, Prepared]
    notes: tuple[str, ...] = ()
    """What a person should know of settings of the space and this data."""

    def of(self, settings: Mapping[str, Any]) -> Prepared:
        """What a trial with these settings trains on."""
        return self.prepared[_key(settings)]

    @property
    def first(self) -> Prepared:
        """One of them, for what all have in common."""
        return next(iter(self.prepared.values()))


def prepare_variants(
    experiment: Experiment, session: Session, progress: Progress, *, recorded: bool = False
) -> Variants:
    """Prepare the data for all trials of a sweep, once for each combination of its settings.

    Args:
        recorded: whether a sweep is resumed from its record. Its idle settings are noted.

    Raises:
        ConfigError: the net, its loss or the sweep's metric do not go with some of the data.
    """
    prepared_by_key, notes = {}, dict[str, None]()
    sweep = experiment.sweep
    metrics = (sweep.metric, *(name for name in sweep.objectives if name != PARAMETERS))
    # Nets are tried on each data that a trial with them may have.
    paths = [path for path in sweep.space if path.startswith(BEFORE_THE_NET) or path == "net"]
    for settings in combinations(with_conditions(sweep.space, paths)):
        chosen, key = override(experiment, settings), _key(settings)
        if key not in prepared_by_key:
            prepared_by_key[key] = prepare_experiment(chosen, session, progress)
        prepared = prepared_by_key[key]
        check_task(chosen, prepared, *metrics)
        new_net(chosen, prepared)
        notes |= dict.fromkeys(check_prepared(chosen, prepared, *metrics, recorded=recorded))
        rows = prepared.splits["train"].num_rows
        if note := describe_large_batch(_largest_batch(chosen), rows):
            notes[note] = None
    for note in notes:
        progress.note(note)
    return Variants(prepared=prepared_by_key, notes=tuple(notes))


def _largest_batch(experiment: Experiment) -> int:
    searched = experiment.sweep.space.get("training.batch_size")
    if searched is None:
        return experiment.training.batch_size
    return int(max(candidates(searched)))


def _key(settings: Mapping[str, Any]) -> str:
    def plain(value: Any) -> Any:  # a list travels through a search as JSON
        return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value

    chosen = {p: plain(value) for p, value in settings.items() if p.startswith(BEFORE_THE_NET)}
    return json.dumps(chosen, sort_keys=True)
