"""The recipe for some data, and the whole experiment."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from nets import Custom
from workbench.cluster import ClusterConfig
from workbench.data import DataConfig, SplitConfig
from workbench.data.sources import SeriesSource, Source, TextSource
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes.facts import Facts, Recipe
from workbench.experiments.recipes.forecasts import forecast
from workbench.experiments.recipes.pictures import pictures
from workbench.experiments.recipes.series import series
from workbench.experiments.recipes.sounds import sound
from workbench.experiments.recipes.tables import table
from workbench.experiments.recipes.text import fit_source, text
from workbench.experiments.shipped.sweeps import default_sweep


def choose_recipe(facts: Facts, *, characters: bool = False) -> Recipe:
    """Net, training and preparation.

    Args:
        characters: the tokens are characters.
    """
    if facts.kind == "tokens":
        return text(facts, characters=characters)
    if facts.kind == "image":
        return pictures(facts)
    if facts.kind == "series":
        return forecast(facts) if facts.forecast else series(facts)
    if facts.kind == "sound":
        return sound(facts)
    return table(facts)


def recipe_for(
    source: Source, facts: Facts, *, name: str, split: SplitConfig | None = None
) -> Experiment:
    """A complete experiment for a source, with the reasons in its description.

    Args:
        facts: of the source's rows; `facts_of` makes them of a `Description`.
        name: of the experiment.
        split: None: by time for a series, else a tenth for validation and a fifth for test.
    """
    if isinstance(source, TextSource):
        source = fit_source(source, facts)
    characters = getattr(source, "tokenizer", None) == "characters"
    recipe = choose_recipe(facts, characters=characters)
    if split is None:
        by_time = isinstance(source, SeriesSource)
        split = SplitConfig(by="time", validation=0.1, test=0.2) if by_time else SplitConfig()
    return Experiment(
        name=name,
        description=" ".join(recipe.why),
        data=DataConfig(source=source, split=split),
        preparation=recipe.preparation,
        net=recipe.net,
        training=recipe.training,
        cluster=ClusterConfig(cpus_per_worker=min(2, os.cpu_count() or 1) if recipe.heavy else 1),
        sweep=_sweep(recipe),
    )


def _sweep(recipe: Recipe) -> Any:
    """Around the recipe: a tenth to ten times its learning rate, half to twice its batch."""
    training = recipe.training
    rate, batch = training.learning_rate, training.batch_size
    idle = [] if isinstance(recipe.net, Custom) else [one.path for one in recipe.net.idle(None)]
    sweep = default_sweep(
        learning_rate=(rate / 10, rate * 10),
        batch_size=(max(2, batch // 2), batch, batch * 2),
        metric=training.monitor,
        mode=training.mode,
    )
    if "activation" not in idle:
        return sweep
    space = {path: what for path, what in sweep.space.items() if path != "net.activation"}
    return replace(sweep, space=space)
