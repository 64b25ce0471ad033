"""Trains a net for an estimator, in the same way as `workbench train`."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracking import Reader
from workbench.bridge import Prepared, kept, prepare_table
from workbench.cluster import get_session
from workbench.data import CanonicalFrame
from workbench.experiments.experiment import Experiment
from workbench.export import export
from workbench.home import prepared_folder
from workbench.scoring import Model, read_model
from workbench.training import train

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_ONE_AT_A_TIME = threading.Lock()
"""A cross-validation with parallelism fits from several threads, and they share the session's workers."""


@dataclass(frozen=True, kw_only=True)
class FittedNet:
    """The result of a fit."""

    run_id: str
    """The run in MLflow."""
    metrics: Mapping[str, float]
    """Metrics of the best epoch."""
    model: Model


def fit_net(
    experiment: Experiment,
    canonical: CanonicalFrame,
    spark: SparkSession,
    settle: Callable[[Prepared], Experiment],
) -> FittedNet:
    """Train and record a net, then read the recorded net.

    Args:
        settle: the experiment once the data is prepared, with the same data and preparation.

    Raises:
        DataError, ClusterError, TrainingError, ConfigError: as `workbench.training.train`.
    """
    with _ONE_AT_A_TIME:
        session = get_session(spark, experiment.cluster)
        before = {path.name for path in prepared_folder().glob("*")}
        prepared = prepare_table(canonical, experiment.data, experiment.preparation, session)
        try:
            result = train(settle(prepared), session=session, prepared=prepared)
        finally:
            session.prepared.pop(prepared.fingerprint, None)
            if prepared.fingerprint not in before:  # nobody uses the data of a fit again
                kept.remove_folder(prepared.folder)
        reader = Reader()
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "model"
            export(reader, reader.run(result.run_id), target)
            model = read_model(target)
    return FittedNet(run_id=result.run_id, metrics=result.metrics, model=model)
