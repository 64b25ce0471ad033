"""Prepares data for a training or a sweep; what Spark or a lost Ray says becomes a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.bridge import Prepared, prepare
from workbench.cluster import Session, get_session, name_lost_ray, open_session
from workbench.data.sources.dataframe import held_session
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.spark_errors import name_spark_failure
from workbench.training.start_from import add_start


@contextmanager
def session_for(
    experiment: Experiment, *, progress: Progress, checkpoints: str | None = None
) -> Iterator[Session]:
    """Ray and Spark, started for the block; for a DataFrame that a program holds, its Spark session.

    That session stays as it is, and the Ray beside it stays until the process ends.

    Args:
        checkpoints: as `open_session`.

    Raises:
        ClusterError: as `open_session`, `get_session`.
    """
    spark = held_session(experiment.data.source)
    if spark is not None:
        yield get_session(spark, experiment.cluster)
        return
    with open_session(experiment.cluster, progress=progress, checkpoints=checkpoints) as session:
        yield session


def prepare_experiment(experiment: Experiment, session: Session, progress: Progress) -> Prepared:
    """The prepared data of an experiment, with the weights that its net starts from.

    Raises:
        ConfigError: as `add_start`.
        DataError: the data cannot be read, or Spark failed on it.
        ClusterError: Ray ended meanwhile.
    """
    with name_lost_ray(session.ray_address), name_spark_failure():
        prepared = prepare(
            experiment.data,
            experiment.preparation,
            session,
            progress=progress,
            storage=experiment.cluster.storage,
        )
    return add_start(experiment, prepared)
