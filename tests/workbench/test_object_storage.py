"""Files of runs and checkpoints on S3, against a local server that speaks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

import nets
from tests.workbench.small import digits_sweep
from tracking import MlflowRecorder, Reader
from workbench.cluster import Bench
from workbench.export import export
from workbench.tuning import sweep


@dataclass(frozen=True)
class S3:
    """A server with one bucket, and everything that was ever put into it."""

    endpoint: str
    client: Any

    def held(self) -> list[str]:
        return [o["Key"] for o in self.client.list_objects_v2(Bucket="runs").get("Contents", [])]

    def written(self) -> list[str]:
        """Also what was deleted since."""
        told = self.client.list_object_versions(Bucket="runs")
        return [o["Key"] for o in told.get("Versions", [])]


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
    client.put_bucket_versioning(Bucket="runs", VersioningConfiguration={"Status": "Enabled"})
    yield S3(endpoint, client)
    server.stop()


@pytest.mark.cluster
@pytest.mark.slow
def test_a_sweep_keeps_its_files_and_checkpoints_on_s3(
    s3: S3, bench: Bench, tmp_path: Path
) -> None:
    address = s3.endpoint.removeprefix("http://").replace(":", "%3A")
    storage = f"s3://me:s3cret@runs/checkpoints?scheme=http&endpoint_override={address}"
    base = digits_sweep(num_trials=2)
    experiment = replace(
        base,
        training=replace(base.training, epochs=1),
        cluster=replace(base.cluster, storage=storage),
    )
    store = f"sqlite:///{tmp_path}/mlflow.db"
    recorder = MlflowRecorder(store)
    result = sweep(experiment, recorder=recorder, bench=bench)
    recorder.close()
    assert [trial.status for trial in result.trials] == ["FINISHED", "FINISHED"]

    reader = Reader(store)
    written = export(reader, reader.run(result.run_id), tmp_path / "model", onnx=False)
    assert nets.load(tmp_path / "model").config == replace(
        base.net, activation=_of(reader, written)
    )
    assert any(f"/{written.run_id}/" in key for key in s3.held() if key.startswith("artifacts/"))
    assert not (tmp_path / "artifacts").exists()

    gone = [key for key in s3.written() if key.startswith(f"checkpoints/{result.run_id}/")]
    assert any(key.endswith("state.pt") for key in gone), "checkpoints were written"
    assert not [key for key in s3.held() if key.startswith("checkpoints/") and key[-1] != "/"]
    assert "s3cret" not in str(reader.run(result.run_id).params)


def _of(reader: Reader, written: Any) -> str:
    return reader.run(written.run_id).params["net.activation"]
