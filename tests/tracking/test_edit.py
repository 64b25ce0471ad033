from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tracking.edit import rename, set_deleted, set_note, set_tag
from tracking.errors import TrackingError
from tracking.run import NOTE


@pytest.fixture
def run(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MlflowClient, str]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    client = MlflowClient(uri)
    where = (tmp_path / "artifacts").as_uri()
    return client, client.create_run(client.create_experiment("one", where)).info.run_id


def test_tag_and_note(run: tuple[MlflowClient, str]) -> None:
    client, run_id = run
    set_tag([run_id], "keep", "yes")
    set_note([run_id], "The *best* one")
    tags = client.get_run(run_id).data.tags
    assert tags["keep"] == "yes" and tags[NOTE] == "The *best* one"


@pytest.mark.parametrize("name", ["", "workbench.kind", "mlflow.runName", "x" * 300])
def test_names_that_people_may_not_set(name: str, run: tuple[MlflowClient, str]) -> None:
    with pytest.raises(TrackingError, match="A tag's name"):
        set_tag([run[1]], name, "x")


def test_rename(run: tuple[MlflowClient, str]) -> None:
    client, run_id = run
    rename(run_id, " better ")
    assert client.get_run(run_id).info.run_name == "better"
    for name in (" ", "x" * 300):
        with pytest.raises(TrackingError, match="A run's name"):
            rename(run_id, name)


def test_delete_and_restore(run: tuple[MlflowClient, str]) -> None:
    client, run_id = run
    set_deleted([run_id], True)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    set_deleted([run_id], False)
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_a_run_that_is_not_there(run: tuple[MlflowClient, str]) -> None:
    with pytest.raises(TrackingError, match="refused"):
        set_deleted(["0" * 32], True)
