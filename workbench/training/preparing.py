"""Prepares data for a training or a sweep; what Spark or a lost Ray says becomes a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from workbench.bridge import Prepared, prepare
from workbench.cluster import Session, name_lost_ray
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.scoring.failures import explain_spark
from workbench.training.start_from import add_start


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


@contextmanager
def name_spark_failure() -> Iterator[None]:
    """Turn an error of Spark into a DataError of one sentence, without Java."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("py4j", "pyspark"):
            raise
        raise explain_spark(error) from error
