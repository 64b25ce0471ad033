"""What a person asks to train: an experiment, its name, a path of data, a Spark DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nets.config import from_dict
from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.data import (
    CanonicalFrame,
    DataConfig,
    SplitConfig,
    from_dataframe,
    guess_source,
    picture_spec,
)
from workbench.data.sources import DataFrameSource
from workbench.errors import DataError
from workbench.experiments import load_experiment, names
from workbench.experiments.changes import override
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes import Facts, recipe_for
from workbench.notebook.columns import Columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ROWS = 5_000
"""Rows that a recipe is made for until they are counted."""


def is_data_path(what: Any) -> bool:
    """Whether it is a file or folder of data, and no experiment."""
    return (
        isinstance(what, (str, Path))
        and str(what) not in names()
        and ".py" not in str(what)
        and Path(what).expanduser().exists()
    )


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
    settings = guess_source(str(what))
    tree: dict[str, Any] = {"source": settings}
    if settings.get("kind") == "series":
        tree["split"] = {"by": "time"}  # rows, the default, cannot be
    stem = Path(what).expanduser().resolve().stem or "data"
    return Experiment(name=stem, data=from_dict(DataConfig, tree))


def read_frame(df: DataFrame, columns: Columns) -> tuple[CanonicalFrame, DataFrameSource]:
    """The columns of a DataFrame as samples, and how the run records them.

    Raises:
        DataError: a column is missing or cannot be a sample or a label.
    """
    label = columns.label
    if label is None:
        raise DataError(
            f"A training on a DataFrame needs the column to predict: label=. It has "
            f"{', '.join(df.columns)}."
        )
    chosen = columns.features or [name for name in df.columns if name != label]
    several = [chosen] if isinstance(chosen, str) else list(chosen)
    canonical = from_dataframe(
        df, features=several, label=label, spec=_spec_of(df, several, columns.shape)
    )
    source = DataFrameSource(features=tuple(several), label=label, plan=canonical.plan)
    return canonical, source


def _spec_of(
    df: DataFrame, features: Sequence[str], shape: Sequence[int] | None
) -> TensorSpec | None:
    if shape is None:
        return None
    kinds: dict[int, Any] = {1: "vector", 2: "series", 3: "image"}
    if len(shape) not in kinds:
        raise ConfigError(
            "shape must be [features], [steps, channels] or [channels, height, width], got "
            f"{list(shape)}."
        )
    pictures = features[0] in df.columns and df.schema[features[0]].dataType.typeName() == "binary"
    if len(shape) == 3 and pictures:
        return picture_spec((shape[0], shape[1], shape[2]))
    return TensorSpec(kind=kinds[len(shape)], shape=tuple(shape))


def experiment_on(
    canonical: CanonicalFrame,
    source: DataFrameSource,
    base: Experiment | None,
    name: str,
    counts: tuple[int, Sequence[int]] | None = None,
) -> Experiment:
    """`base` on the data of a DataFrame; without one, by the recipe for the data.

    Args:
        counts: rows to train on, and those of each class; None: not counted yet.
    """
    if base is not None:
        return replace(base, data=replace(base.data, source=source))
    rows, classes = counts or (_ROWS, ())
    facts = Facts(
        kind=canonical.spec.kind,
        shape=canonical.spec.shape,
        num_rows=rows,
        labels=canonical.labels,
        class_counts=tuple(classes),
    )
    return recipe_for(source, facts, name=name, split=SplitConfig())


def change(experiment: Experiment, settings: Any) -> Experiment:
    """With some settings replaced, by path.

    Raises:
        ConfigError: a path does not exist, or a value breaks a rule.
    """
    return override(experiment, settings) if settings else experiment
