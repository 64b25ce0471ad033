"""What a person asks to train: an experiment, its name, a path of data, a Spark DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.config import to_dict
from nets.errors import ConfigError
from workbench.data import CanonicalFrame, SplitConfig
from workbench.data.sources import DataFrameSource
from workbench.errors import DataError
from workbench.experiments import is_data_path, load_experiment
from workbench.experiments.changes import override
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes import Facts, recipe_for
from workbench.notebook.columns import Columns
from workbench.preflight.named import resolve

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ROWS = 5_000
"""Rows that a recipe is made for until they are counted."""


def find_experiment(what: Experiment | str | Path) -> Experiment:
    """An experiment as it is, or by its name or file; of a path of data, one to describe it by.

    Raises:
        ConfigError: nothing has that name, or it is neither.
    """
    if isinstance(what, Experiment):
        return what
    if not isinstance(what, (str, Path)):
        raise ConfigError(
            "An experiment is a workbench.Experiment, the name of one, a path of data or a Spark "
            f"DataFrame, got {type(what).__name__}."
        )
    if not is_data_path(what):
        return load_experiment(str(what))
    return resolve(str(what), name=Path(what).expanduser().resolve().stem or "data")


def source_of(
    df: DataFrame, columns: Columns, settings: Mapping[str, Any] | None, base: Experiment | None
) -> DataFrameSource:
    """A DataFrame as a source: its columns as they are named, and settings of `data.source`.

    Args:
        base: of an experiment on another DataFrame, what it says of the columns is kept.

    Raises:
        DataError: no column to predict is named.
        ConfigError: a setting breaks a rule.
    """
    prefix = "data.source."
    chosen: dict[str, Any] = {
        path.removeprefix(prefix): value
        for path, value in (settings or {}).items()
        if path.startswith(prefix)
    }
    named = {"label": columns.label, "features": columns.features, "shape": columns.shape}
    chosen = {name: value for name, value in named.items() if value is not None} | chosen
    if base is not None and isinstance(base.data.source, DataFrameSource):
        chosen = {**to_dict(base.data.source), **chosen}
    if chosen.get("label") is None:
        raise DataError(
            f"A training on a DataFrame needs the column to predict: label=. It has "
            f"{', '.join(df.columns)}."
        )
    return DataFrameSource(df, **chosen)


def experiment_by_recipe(
    canonical: CanonicalFrame,
    source: DataFrameSource,
    counts: tuple[int, Sequence[int]] | None = None,
) -> Experiment:
    """The experiment on a DataFrame by the recipe for its columns.

    Args:
        counts: rows to train on, and those of each class; None: not counted yet.
    """
    rows, classes = counts or (_ROWS, ())
    facts = Facts(
        kind=canonical.spec.kind,
        shape=canonical.spec.shape,
        num_rows=rows,
        labels=canonical.labels,
        class_counts=tuple(classes),
    )
    return recipe_for(source, facts, name="dataframe", split=SplitConfig())


def change(experiment: Experiment, settings: Any) -> Experiment:
    """With some settings replaced, by path.

    Raises:
        ConfigError: a path does not exist, or a value breaks a rule.
    """
    return override(experiment, settings) if settings else experiment
