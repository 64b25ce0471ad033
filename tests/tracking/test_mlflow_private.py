"""MLflow still has the private interfaces that `tracking.mlflow_private` uses."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

import pytest
from mlflow.utils import validation

from tracking import mlflow_private, mlflow_recorder, outbox, series


def test_a_database_is_created_and_no_connection_stays(tmp_path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file = tmp_path / "new.db"
    mlflow_private.create_database(f"sqlite:///{file}", tmp_path.as_uri())
    assert file.stat().st_size
    assert f"sqlite:///{file}" not in SqlAlchemyStore._engine_map


def test_the_tables_of_runs_have_the_columns_in_use() -> None:
    experiment, run, latest, metric, param, tag, model = mlflow_private.run_tables()
    entry = {"run_uuid", "key", "value"}
    times = {"start_time", "end_time"}
    columns = {
        experiment: {"experiment_id", "name"},
        run: {"run_uuid", "name", "status", "artifact_uri", "user_id", *times},
        latest: entry | {"is_nan"},
        metric: entry | {"is_nan", "step"},
        param: entry,
        tag: entry,
        model: {"model_id", "source_run_id"},
    }
    for table, names in columns.items():
        assert names <= set(table.__table__.columns.keys())
    assert {"experiment_id", "lifecycle_stage"} <= set(run.__table__.columns.keys())


@pytest.mark.parametrize("name", ["mlflow.utils.environment", "mlflow.store.db.utils"])
def test_the_loggers_to_silence_have_their_names(name: str) -> None:
    assert importlib.import_module(name)._logger.name == name
    mlflow_private.quiet()
    assert not logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_our_limits_are_within_those_of_mlflow() -> None:
    """MLflow refuses what is longer; its limits are in an internal module."""
    assert series.MAX_NAME <= validation.MAX_ENTITY_KEY_LENGTH
    assert mlflow_recorder.MAX_VALUE <= validation.MAX_PARAM_VAL_LENGTH
    assert mlflow_recorder._MAX_TAG <= validation.MAX_TAG_VAL_LENGTH
    assert mlflow_recorder._PARAMS <= validation.MAX_PARAMS_TAGS_PER_BATCH
    assert outbox._TAGS <= validation.MAX_PARAMS_TAGS_PER_BATCH
    assert outbox._METRICS + outbox._TAGS <= validation.MAX_ENTITIES_PER_BATCH
