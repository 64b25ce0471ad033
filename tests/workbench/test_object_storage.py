"""Files of runs and checkpoints on S3, against a local server that speaks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSystem

from tracking import MlflowRecorder, Reader
from workbench.worker import discard_checkpoints


@dataclass(frozen=True)
class S3:
    """A server with one bucket."""

    endpoint: str
    client: Any

    def held(self) -> list[str]:
        return [o["Key"] for o in self.client.list_objects_v2(Bucket="runs").get("Contents", [])]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": endpoint,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://runs/artifacts",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="runs")
    yield S3(endpoint, client)
    server.stop()


def test_files_of_runs_go_to_s3_and_come_back(s3: S3, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    recorder = MlflowRecorder(store)
    run_id = recorder.start("digits", "run", params={}, tags={"workbench.kind": "train"})
    recorder.artifact_dict(run_id, "told/a.json", {"x": 1})
    recorder.finish(run_id)
    recorder.close()
    assert s3.held() == [f"artifacts/digits/{run_id}/artifacts/told/a.json"]
    reader = Reader(store)
    assert reader.artifacts(run_id, "told") == ["told/a.json"]
    assert json.loads(reader.download(run_id, "told/a.json", tmp_path).read_text()) == {"x": 1}
    assert not (tmp_path / "artifacts").exists()


def test_checkpoints_on_s3_are_removed_and_others_stay(s3: S3) -> None:
    address = s3.endpoint.removeprefix("http://").replace(":", "%3A")
    storage = f"s3://me:s3cret@runs/checkpoints?scheme=http&endpoint_override={address}"
    files, folder = FileSystem.from_uri(storage)  # as Ray does
    for name in ("ended", "running"):
        files.create_dir(f"{folder}/{name}/0")
        with files.open_output_stream(f"{folder}/{name}/0/state.pt") as out:
            out.write(b"x")
    discard_checkpoints(storage, "ended")
    left = [key for key in s3.held() if key.endswith(".pt")]
    assert left == ["checkpoints/running/0/state.pt"]
