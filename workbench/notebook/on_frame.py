"""Trains on a Spark DataFrame of a person's program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.bridge import prepare_table
from workbench.notebook import asked
from workbench.notebook.columns import Columns
from workbench.notebook.relay import Relay
from workbench.training import train

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from workbench.cluster import Session
    from workbench.experiments.experiment import Experiment
    from workbench.results import TrainResult


def train_on_frame(
    df: DataFrame,
    columns: Columns,
    base: Any,
    settings: Mapping[str, Any] | None,
    open_session: Callable[..., Session],
    progress: Relay,
) -> TrainResult:
    """Prepare the rows and train on them, in the session that the DataFrame belongs to.

    Args:
        base: the experiment whose net and training are taken, or its name; None: by the recipe for
            the data, once its rows are counted.
        open_session: called with the experiment, the progress and the Spark session.
    """
    canonical, source = asked.read_frame(df, columns)
    named = None if base is None else asked.find_experiment(base)

    def settle(counts: tuple[int, Sequence[int]] | None) -> Experiment:
        made = asked.experiment_on(canonical, source, named, "dataframe", counts)
        return asked.change(made, settings)

    first = settle(None)
    session = open_session(first, progress, df.sparkSession)
    prepared = prepare_table(canonical, first.data, first.preparation, session, progress=progress)
    rows = prepared.splits["train"].num_rows
    chosen = settle((rows, prepared.class_counts or ()))
    progress.rank_by(chosen.training.monitor, chosen.training.mode)
    return train(chosen, session=session, prepared=prepared, progress=progress)
