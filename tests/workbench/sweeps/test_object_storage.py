"""Files of runs and checkpoints on S3, against a local server that speaks it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow.fs import FileSystem

import nets
from tests.workbench.s3 import S3
from tests.workbench.small import digits_sweep
from tracking import MlflowRecorder, Reader
from workbench.cluster import Session
from workbench.export import export
from workbench.sweeps.driver import sweep
from workbench.training.checkpoints import discard_checkpoints


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
    files, folder = FileSystem.from_uri(s3.storage)  # as Ray does
    for name in ("ended", "running"):
        files.create_dir(f"{folder}/{name}/0")
        with files.open_output_stream(f"{folder}/{name}/0/state.pt") as out:
            out.write(b"x")
    discard_checkpoints(s3.storage, "ended")
    left = [key for key in s3.held() if key.endswith(".pt")]
    assert left == ["checkpoints/running/0/state.pt"]


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.long
def test_a_sweep_keeps_its_files_and_checkpoints_on_s3(
    s3: S3, session: Session, tmp_path: Path
) -> None:
    base = digits_sweep(num_trials=2)
    experiment = replace(
        base,
        training=replace(base.training, epochs=1),
        cluster=replace(base.cluster, storage=s3.storage),
    )
    store = f"sqlite:///{tmp_path}/mlflow.db"
    recorder = MlflowRecorder(store)
    result = sweep(experiment, recorder=recorder, session=session)
    recorder.close()
    assert [trial.status for trial in result.trials] == ["FINISHED", "FINISHED"]

    reader = Reader(store)
    written = export(reader, reader.run(result.run_id), tmp_path / "model", onnx=False)
    assert nets.load(tmp_path / "model").config.activation in ("relu", "tanh", "maxout")
    assert any(f"/{written.run_id}/" in key for key in s3.held() if key.startswith("artifacts/"))
    assert not (tmp_path / "artifacts").exists()

    def files(keys: list[str]) -> list[str]:
        below = f"checkpoints/{result.run_id}/"
        return [key for key in keys if key.startswith(below) and key[-1] != "/"]

    assert any(key.endswith("state.pt") for key in files(s3.written()))
    assert not files(s3.held()), "checkpoints outlive their sweep"
    assert "s3cret" not in str(reader.run(result.run_id).params)
