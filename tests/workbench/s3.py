"""An S3 on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class S3:
    """A server with one bucket."""

    endpoint: str
    client: Any

    @property
    def storage(self) -> str:
        """Of checkpoints, as `cluster.storage` has it."""
        address = self.endpoint.removeprefix("http://").replace(":", "%3A")
        return f"s3://me:s3cret@runs/checkpoints?scheme=http&endpoint_override={address}"

    def held(self) -> list[str]:
        return [o["Key"] for o in self.client.list_objects_v2(Bucket="runs").get("Contents", [])]

    def written(self) -> list[str]:
        """Also what was deleted since."""
        told = self.client.list_object_versions(Bucket="runs")
        return [o["Key"] for o in told.get("Versions", [])]


@contextmanager
def start_s3(monkeypatch: pytest.MonkeyPatch, host: str = "127.0.0.1") -> Iterator[S3]:
    """A server with one bucket, which this process and those that it starts find."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=host, port=0, verbose=False)
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
