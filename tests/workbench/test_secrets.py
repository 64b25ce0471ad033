"""No file of a run is executed, and no password is shown or recorded."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nets.config import override, to_dict
from tests.workbench.small import digits
from tracking import Reader
from tracking.mlflow_recorder import MlflowRecorder
from workbench.cli import errors
from workbench.errors import TrainingError
from workbench.training import provenance
from workbench.training.learner import Learner

STORE = "postgresql://me:s3cret@127.0.0.1:1/runs"


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("which", ["state.pt", "torch", "best.safetensors"])
def test_a_malicious_checkpoint_is_refused_and_not_run(which: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    torch.save({"fit": {}, "monitor": {}}, tmp_path / "state.pt")
    save_file({"weight": torch.zeros(2)}, tmp_path / "best.safetensors")
    if which == "torch":  # as `torch.save` writes it, with the code inside
        torch.save({"fit": Malicious(ran)}, tmp_path / "state.pt")
    else:
        (tmp_path / which).write_bytes(pickle.dumps(Malicious(ran), protocol=2))
    learner = Learner.__new__(Learner)  # `load` reads the files before it touches a net
    learner.device = torch.device("cpu")
    with pytest.raises(TrainingError, match="is damaged, or another program wrote it"):
        learner.load(tmp_path)
    assert not ran.exists()


def test_a_run_records_no_password(tmp_path: Path) -> None:
    experiment = override(
        digits(), {"data.source": {"kind": "text", "path": "https://me:s3cret@host/x.csv"}}
    )
    assert "s3cret" in json.dumps(to_dict(experiment))
    recorder = MlflowRecorder(f"sqlite:///{tmp_path}/mlflow.db")
    run_id = recorder.start(
        experiment.name,
        "run",
        params=provenance.params(experiment),
        tags=provenance.tags(experiment, "train", "0"),
    )
    recorder.artifact_dict(
        run_id, "experiment.json", provenance.without_passwords(to_dict(experiment))
    )
    recorder.finish(run_id)
    recorder.close()
    run = Reader(f"sqlite:///{tmp_path}/mlflow.db").run(run_id)
    assert run.params["data.source.path"] == "https://me:***@host/x.csv"
    leaks = [p for p in tmp_path.rglob("*") if p.is_file() and b"s3cret" in p.read_bytes()]
    assert not leaks


@pytest.mark.parametrize(
    "command", [["doctor"], ["runs"], ["runs", "--debug"], ["train", "--help"]]
)
def test_a_command_shows_no_password(command: list[str], tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "workbench", *command]
    env = os.environ | {"MLFLOW_TRACKING_URI": STORE, "WORKBENCH_HOME": str(tmp_path)}
    reply = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=120)
    assert reply.stdout or reply.stderr
    assert "s3cret" not in reply.stdout + reply.stderr
    if command[0] == "runs":
        assert "postgresql://me:***@127.0.0.1:1/runs" in reply.stderr
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and "s3cret" in p.read_text()]


def test_an_unexpected_error_is_logged_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    try:
        raise OSError(f"cannot open {STORE}")
    except OSError as error:
        assert errors.report(error) == 1
    [log] = (tmp_path / "logs").iterdir()
    assert "me:***@" in log.read_text() and "Traceback" in log.read_text()
    assert "s3cret" not in log.read_text() + capsys.readouterr().err
