"""Every use of what MLflow keeps to itself.

Each function says why the public interface is not enough. All were seen in mlflow 3.17.2;
`tests/tracking/test_mlflow_private.py` fails when a later version lacks one.
"""

from __future__ import annotations

import logging
from typing import Any


def quiet() -> None:
    """No lines from MLflow about its tables and requirements, and errors only as they are raised.

    Loggers are named after internal modules: MLflow has no setting for these lines. May be called
    before MLflow is imported.
    """
    for name in ("alembic", "mlflow.utils.environment"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def create_database(uri: str, artifacts: str) -> None:
    """Create the tables of an empty store in a database, and leave no connection open.

    `SqlAlchemyStore`: a public client would create them as well, but keeps its connections, and the
    new SQLite file is about to be renamed. `SqlAlchemyStore._engine_map` keeps them by address.

    Args:
        artifacts: where files of the default experiment go, as an address.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts)
    SqlAlchemyStore._engine_map.pop(uri).dispose()


def list_files(artifact_uri: str, folder: str | None, tracking_uri: str) -> list[Any]:
    """MLflow's list of what is directly in a folder of files.

    `client.list_artifacts` asks the store three times where a run's files are: 40 ms in a store of
    10,000 runs.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    files: list[Any] = get_artifact_repository(
        artifact_uri, tracking_uri=tracking_uri
    ).list_artifacts(folder)
    return files


def run_tables() -> tuple[Any, Any, Any, Any, Any, Any, Any]:
    """SQLAlchemy's classes for experiments, runs, latest metrics, metrics, parameters, tags and models.

    `search_runs`, the public way, takes seconds in a store of 10,000 runs; see `tracking.database`.
    """
    from mlflow.store.tracking.dbmodels import models

    return (
        models.SqlExperiment,
        models.SqlRun,
        models.SqlLatestMetric,
        models.SqlMetric,
        models.SqlParam,
        models.SqlTag,
        models.SqlLoggedModel,
    )
