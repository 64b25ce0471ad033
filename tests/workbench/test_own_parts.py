"""A net of a person's own from its file through training, records, scoring and the other process."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from typer.testing import CliRunner

import nets
import workbench
from nets.config import to_dict
from nets.errors import ConfigError, UntrustedCodeError
from tests.workbench.ui import fill
from tracking import Reader
from workbench.cli import app
from workbench.experiments import load_experiment, settings
from workbench.jobs.request import Request
from workbench.scoring import read_model
from workbench.scoring.tasks import ScoringSettings, score_batches
from workbench.training.checks import check_before_start
from workbench.training.verify import read_recorded

LAYERS = """
from torch import nn

def block(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())
"""
OWN = '''
from nets import Custom, TrainingConfig
from workbench import Experiment
from layers import block
from torch import nn


class Mine(nn.Module):
    """Blocks, then the mean of each map.

    Args:
        width: Channels of a block.
    """

    def __init__(self, spec, num_outputs, *, width: int = 8, depth: int = 2):
        super().__init__()
        widths = [spec.shape[0], *[width] * depth]
        self.blocks = nn.Sequential(*map(block, widths, widths[1:]))
        self.output = nn.Linear(width, num_outputs)

    def forward(self, x, length=None):
        return self.output(self.blocks(x).mean((2, 3)))


TRAINING = TrainingConfig(epochs=2, batch_size=50, learning_rate=0.01)


def mine() -> Experiment:
    return Experiment(name="mine", net=Custom(Mine, width=6), training=TRAINING)
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("person")
    (folder / "layers.py").write_text(LAYERS)
    (folder / "mine.py").write_text(OWN)
    return folder / "mine.py"


@pytest.fixture(scope="module")
def recorded(file: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A run of the file's experiment, and its exported model."""
    folder = tmp_path_factory.mktemp("store")
    experiment = load_experiment(f"{file}:mine")
    recorder = fill.open_recorder(folder)
    run_id = fill.train(recorder, experiment, "mine", fill.digits("cnn"))
    recorder.close()
    return SimpleNamespace(
        folder=folder, uri=f"sqlite:///{folder}/mlflow.db", run_id=run_id, experiment=experiment
    )


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is as one that has not seen the person's file."""
    from nets import code, custom

    for module, name in ((custom, "_classes"), (code, "_own"), (code, "_loaded")):
        monkeypatch.setattr(module, name, {})


def test_the_settings_of_an_own_net_are_listed_with_their_help(file: Path) -> None:
    listed = {each.path: each for each in settings(load_experiment(str(file)))}
    assert listed["net.width"].value == 6 and listed["net.width"].meaning == "Channels of a block."
    assert listed["net.depth"].value == 2


def test_a_notebook_has_the_net_of_its_run(
    recorded: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.uri)
    run = workbench.open().run(recorded.run_id)
    assert run.net(run.net.example(2)).shape == (2, 10)
    assert run.attribution(3, method="occlusion").frame.shape == (8, 8)
    assert "code/mine.py" in run._model_files  # scoring in Spark takes them


def test_two_files_may_each_have_a_file_of_the_same_name_beside_them(
    file: Path, tmp_path: Path
) -> None:
    plain = LAYERS.replace("nn.BatchNorm2d(b), ", "")
    (tmp_path / "layers.py").write_text(plain)
    (tmp_path / "mine.py").write_text(OWN)
    for path, layers in ((file, 3), (tmp_path / "mine.py", 2), (file, 3)):
        experiment = load_experiment(f"{path}:mine")
        net = nets.build(
            experiment.net, nets.TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8"), 10
        )
        assert len(net.body.blocks[0]) == layers


def test_a_net_that_does_not_fit_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text(LAYERS)
    (tmp_path / "wrong.py").write_text(OWN.replace("num_outputs)\n\n", "num_outputs + 1)\n\n"))
    with pytest.raises(ConfigError, match=r"Mine must return .* \(2, 10\) .* got \(2, 11\)"):
        check_before_start(load_experiment(str(tmp_path / "wrong.py")))


def test_a_run_keeps_the_code_and_its_settings(recorded: SimpleNamespace) -> None:
    reader = Reader(recorded.uri)
    run = reader.run(recorded.run_id)
    assert run.params["net.width"] == "6" and run.params["net.source"] == "mine.py:Mine"
    assert reader.artifacts(run.run_id, "code") == [
        f"code/{name}" for name in ("layers.py", "mine.py", "sha256.json")
    ]
    assert run.metrics["validation/accuracy"] > 0.15  # 0.1 by chance


def test_the_code_is_refused_until_it_is_allowed(
    recorded: SimpleNamespace, unseen: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.uri)
    command = ["export", recorded.run_id, str(tmp_path / "out")]
    refused = CliRunner().invoke(app, command, catch_exceptions=False)
    assert refused.exit_code == 3
    for text in ("mine.py:Mine", "layers.py, mine.py", "artifacts of run", "--trust-code"):
        assert text in refused.stderr
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, [*command, "--trust-code", "--onnx"], catch_exceptions=False)
    assert done.exit_code == 0 and "trust_code=True" in done.output
    assert (tmp_path / "out/code/layers.py").read_text() == LAYERS
    _check_onnx(tmp_path / "out")


def _check_onnx(folder: Path) -> None:
    import onnxruntime

    pixels = fill.digits("cnn").splits["test"].read(stop=20)["features"]
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    (scores,) = session.run(None, {"features": pixels})
    expected = nets.load(folder)(torch.from_numpy(np.array(pixels))).detach().numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.slow
def test_mlflow_predicts_with_an_own_net_in_a_new_process(
    recorded: SimpleNamespace, tmp_path: Path
) -> None:
    script = (
        "import mlflow, sys\n"
        "model = mlflow.pyfunc.load_model(f'runs:/{sys.argv[1]}/model')\n"
        "example = model.input_example\n"
        "import pandas as pd\n"
        "print(list(model.predict(pd.DataFrame({'features': [bytes(64)] * 2}))['label']))\n"
    )
    env = {**os.environ, "MLFLOW_TRACKING_URI": recorded.uri}
    done = subprocess.run(
        [sys.executable, "-c", script, recorded.run_id],
        env=env, cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.strip().splitlines()[-1].replace("'", '"'))) == 2


def test_tasks_of_spark_score_with_the_code_that_the_model_brings(
    recorded: SimpleNamespace, tmp_path: Path
) -> None:
    from workbench.export import export

    reader = Reader(recorded.uri)
    export(reader, reader.run(recorded.run_id), tmp_path / "net")
    model = read_model(tmp_path / "net")  # this process has the code
    pixels = fill.digits("cnn").splits["test"].read(stop=50)["features"]
    net = nets.load(tmp_path / "net")
    expected = net(torch.from_numpy(np.array(pixels))).argmax(1).tolist()
    rows = pa.record_batch({"features": pa.array([row.tobytes() for row in pixels], pa.binary())})
    how: Any = ScoringSettings(
        key=model.key, files=SimpleNamespace(value=model.files), encoding="raw",
        features="features", kept=(), columns={"prediction": ("prediction", "double")},
        length=None, vectors=False, batch_size=16, threads=1,
    )  # fmt: skip
    (answers,) = score_batches(iter([rows]), how)
    assert answers.column(0).to_pylist() == expected


def test_a_run_is_verified_only_where_its_code_is_allowed(
    recorded: SimpleNamespace, unseen: None
) -> None:
    reader = Reader(recorded.uri)
    run = reader.run(recorded.run_id)
    with pytest.raises(UntrustedCodeError, match=r"Read layers.py, mine.py in the artifacts"):
        read_recorded(reader, run)
    again = read_recorded(reader, run, trust_code=True).experiment
    assert to_dict(again) == to_dict(recorded.experiment)
    assert again.net.is_loaded  # type: ignore[union-attr]


def test_a_request_to_the_bench_brings_the_code(
    recorded: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nets import code, custom

    request = Request.of("train", recorded.experiment, changes={"net.width": "7"})
    assert request.tree == to_dict(recorded.experiment) and request.experiment == "mine"
    assert Request.of("sweep", recorded.experiment, experiment="mine.py").experiment == "mine.py"
    sent = json.loads(json.dumps(request.as_dict()))
    monkeypatch.setattr(custom, "_classes", {})
    monkeypatch.setattr(code, "_own", {})
    with pytest.raises(UntrustedCodeError, match="is not loaded here"):
        check_before_start(dataclasses.replace(Request.from_dict(sent | {"code": []})).load())
    experiment = Request.from_dict(sent).load()
    assert experiment.net.is_loaded and experiment.net.width == 7  # type: ignore[union-attr]
    check_before_start(experiment)
