"""A recorded net predicts from raw input when MLflow loads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

import nets
from nets.text import TextEncoding
from tracking import MlflowRecorder
from tracking.models import save_model

LABELS = ["no", "yes", "perhaps"]


def saved(folder: Path, net: nets.Net, labels: list[str] | None) -> Path:
    nets.save(net, folder / "saved", labels=labels)
    return folder / "saved"


def images() -> nets.Net:
    spec = nets.TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    return nets.build(nets.CNNConfig(), spec, 3).eval()


def rows(count: int = 2) -> tuple[torch.Tensor, list[bytes]]:
    pixels = np.random.default_rng(0).integers(0, 17, (count, 1, 8, 8), dtype=np.uint8)
    return torch.from_numpy(pixels), [image.tobytes() for image in pixels]


def test_a_classifier_by_the_run_it_was_recorded_in(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = images()
    pixels, features = rows()
    recorder = MlflowRecorder(uri)
    run_id = recorder.start("models", "a net", params={}, tags={})
    recorder.model(
        run_id, saved(tmp_path, net, LABELS), example={"features": features}, labels=LABELS
    )
    recorder.finish(run_id)
    recorder.close()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    assert model.input_example["features"].tolist() == features
    answer = model.predict(model.input_example)
    expected = torch.softmax(net(pixels), 1).detach().numpy()
    np.testing.assert_allclose(np.stack(answer["probabilities"]), expected, rtol=1e-5)
    assert answer["prediction"].tolist() == expected.argmax(1).tolist()
    assert answer["label"].tolist() == [LABELS[i] for i in expected.argmax(1)]
    assert model.metadata.signature.inputs.input_names() == ["features"]
    outputs = model.metadata.signature.outputs.input_names()
    assert outputs == list(answer.columns) == ["prediction", "label", "probabilities"]
    assert model.metadata.metadata == {"labels": LABELS}
    with pytest.raises(mlflow.MlflowException, match="features"):
        model.predict(pd.DataFrame({"pixels": features}))


def test_sequences_of_several_lengths(tmp_path: Path) -> None:
    spec = nets.TensorSpec(kind="series", shape=(8, 2), dtype="float32")
    net = nets.build(nets.RNNConfig(cell="gru"), spec, 1).eval()
    series = np.random.default_rng(0).normal(size=(2, 8, 2)).astype(np.float32)
    example: dict[str, list[Any]] = {
        "features": [row.tobytes() for row in series],
        "length": [3, 8],
    }
    save_model(saved(tmp_path, net, None), tmp_path / "model", example=example)
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    values = net(torch.from_numpy(series), torch.tensor([3, 8]))[:, 0].detach().numpy()
    answer = model.predict(pd.DataFrame(example))["prediction"]
    np.testing.assert_allclose(answer, values, rtol=1e-5)
    whole = model.predict(pd.DataFrame({"features": example["features"]}))["prediction"]
    assert whole[0] != pytest.approx(answer[0]) and whole[1] == pytest.approx(answer[1])


def test_recording_loads_no_torch_and_writes_only_where_it_should(tmp_path: Path) -> None:
    folder = saved(tmp_path, images(), LABELS)
    (tmp_path / "here").mkdir()
    script = (
        "import sys; from pathlib import Path; from tracking.models import save_model;"
        f"save_model(Path({str(folder)!r}), Path({str(tmp_path / 'model')!r}),"
        " example={'features': [b'a']}, labels=['x', 'y']);"
        "print([name for name in ('torch', 'nets', 'ray') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list((tmp_path / "here").iterdir()) == []
    assert not list((tmp_path / "model").rglob("*.pkl"))


def read_text(folder: Path) -> Path:
    """A saved net that reads words."""
    words = ("<pad>", "<unk>", "a", "good", "bad", "film")
    spec = nets.TensorSpec(kind="tokens", shape=(5,), dtype="int32", vocabulary_size=len(words))
    net = nets.build(nets.RNNConfig(hidden=8, embedding=4), spec, 2, seed=1).eval()
    net.text = TextEncoding(tokenizer="words", lowercase=True, max_length=5, vocabulary=words)
    return saved(folder, net, ["neg", "pos"])


def test_text_alone_is_asked_for_and_blank_text_has_no_prediction(tmp_path: Path) -> None:
    example = {"text": ["a good film", "bad"]}
    save_model(read_text(tmp_path), tmp_path / "model", example=example, labels=["neg", "pos"])
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    inputs = model.metadata.signature.inputs
    assert inputs.input_names() == inputs.required_input_names() == ["text"]
    answer = model.predict(
        pd.DataFrame({"text": ["a good film", "", " \n", "bad"]}, index=[7, 7, 8, 9])
    )
    assert answer.index.tolist() == [7, 7, 8, 9]
    assert answer["prediction"].isna().tolist() == [False, True, True, False]
    assert [value is None for value in answer["label"]] == [False, True, True, False]
    assert [value is None for value in answer["probabilities"]] == [False, True, True, False]
    nothing = model.predict(pd.DataFrame({"text": [" "]}))
    assert nothing["prediction"].isna().all() and nothing["label"][0] is None


def test_an_installed_package_stays_before_the_recorded_copy(tmp_path: Path) -> None:
    save_model(saved(tmp_path, images(), LABELS), tmp_path / "model")
    script = (
        "import mlflow.pyfunc, sys;"
        f"mlflow.pyfunc.load_model({str(tmp_path / 'model')!r});"
        "import nets, nets.pyfunc; print(nets.__file__, nets.pyfunc.__file__)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    own = Path(nets.__file__)
    assert done.stdout.split() == [str(own), str(own.with_name("pyfunc.py"))]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_recorded_model_loads_where_only_its_requirements_are(tmp_path: Path) -> None:
    net = images()
    pixels, features = rows()
    example = {"features": features}
    save_model(saved(tmp_path, net, LABELS), tmp_path / "model", example=example, labels=LABELS)
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    constraints = Path(__file__).parents[2] / "constraints.txt"
    required = (tmp_path / "model/requirements.txt").read_text()
    small = tmp_path / "required.txt"  # mlflow-skinny has all that loading takes
    small.write_text(required.replace("mlflow==", "mlflow-skinny=="))
    pip = [str(python), "-m", "pip", "-qq", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "-r", str(small), "-c", str(constraints)], check=True)
    script = (
        "import mlflow.pyfunc, importlib.util as u;"
        "assert u.find_spec('nets') is None;"
        f"model = mlflow.pyfunc.load_model({str(tmp_path / 'model')!r});"
        "answer = model.predict(model.input_example); print(answer['probabilities'].tolist())"
    )
    done = subprocess.run(
        [str(python), "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = torch.softmax(net(pixels), 1).detach().numpy()
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=1e-5)
