"""The experiment for data that was described, by the recipe for it."""

from __future__ import annotations

from dataclasses import replace

from workbench.data import DataConfig
from workbench.errors import DataError
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes import facts_of, recipe_for
from workbench.preflight.source import Description


def experiment_for(data: DataConfig, description: Description, *, name: str) -> Experiment:
    """A complete experiment on the data.

    Args:
        data: as it was described.

    Raises:
        DataError: the data cannot be trained on.
    """
    if description.problem:
        raise DataError(description.problem)
    facts = facts_of(
        description.spec,
        description.labels,
        description.rows.get("train", 0),
        class_counts=description.class_counts.get("train", ()),
        forecast=bool(getattr(data.source, "targets", ())),
        figures=description.figures,
    )
    made = recipe_for(data.source, facts, name=name, split=data.split)
    return replace(
        made,
        data=replace(made.data, max_bad_share=data.max_bad_share, corrections=data.corrections),
    )
