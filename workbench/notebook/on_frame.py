"""What is trained on a Spark DataFrame of a person's program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench.bridge import Prepared, prepare_table
from workbench.data.sources.dataframe import read
from workbench.notebook import asked
from workbench.notebook.columns import Columns
from workbench.spark_errors import name_spark_failure
from workbench.training.checks import check_before_start

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from workbench.cluster import Session
    from workbench.experiments.experiment import Experiment
    from workbench.notebook.relay import Relay


def choose_on_frame(
    df: DataFrame,
    columns: Columns,
    base: Any,
    settings: Mapping[str, Any] | None,
    open_session: Callable[[Experiment, Relay], Session],
    progress: Relay,
) -> tuple[Experiment, Prepared | None]:
    """The experiment on a DataFrame, and its data where it had to be prepared to choose by.

    Args:
        base: the experiment whose net and training are taken, or its name; None: by the recipe for
            the data, once its rows are counted.
    """
    named = None if base is None else asked.find_experiment(base)
    source = asked.source_of(df, columns, settings, named)
    if named is not None:
        made = replace(named, data=replace(named.data, source=source))
        return asked.change(made, settings), None
    with name_spark_failure():
        canonical = read(source)

        def settle(counts: tuple[int, Sequence[int]] | None) -> Experiment:
            return asked.change(asked.experiment_by_recipe(canonical, source, counts), settings)

        first = settle(None)
        check_before_start(first)
        session = open_session(first, progress)
        prepared = prepare_table(
            canonical, first.data, first.preparation, session, progress=progress
        )
    rows = prepared.splits["train"].num_rows
    return settle((rows, prepared.class_counts or ())), prepared
