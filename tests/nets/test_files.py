"""Nets on disk: the same answers after reading, and damaged files refused."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from nets import (
    AutoencoderConfig,
    CNNConfig,
    ConfigError,
    ModelFileError,
    PreparationConfig,
    RNNConfig,
    SequenceCNNConfig,
    Sums,
    TensorSpec,
    build,
    fast_resnet,
    load,
    save,
    to_onnx,
)
from nets.prepare import make
from nets.pyfunc import _load_pyfunc

IMAGE = TensorSpec(kind="image", shape=(3, 16, 16), dtype="uint8")
SERIES = TensorSpec(kind="series", shape=(9, 4))
TOKENS = TensorSpec(kind="tokens", shape=(9,), dtype="int32", vocabulary_size=20)

NETS = [
    (CNNConfig(activation="maxout"), IMAGE),
    (fast_resnet(4), IMAGE),
    (AutoencoderConfig(), IMAGE),
    (RNNConfig(cell="lstm", bidirectional=True, summary="mean"), SERIES),
    (RNNConfig(cell="gru"), SERIES),
    (RNNConfig(cell="rnn"), TOKENS),
    (CNNConfig(), TOKENS),
]


def random_input(spec: TensorSpec, rows: int = 5) -> torch.Tensor:
    generator = np.random.default_rng(0)
    high = spec.vocabulary_size or 256
    low = int(spec.kind == "tokens")  # 0 is padding
    values = generator.integers(low, high, (rows, *spec.shape))
    return torch.from_numpy(values.astype(spec.dtype))


def fitted(config: Any, spec: TensorSpec) -> Any:
    sums = Sums(int(np.prod(spec.shape)))
    sums.add(random_input(spec, 50).numpy().reshape(50, -1))
    prepare = make(PreparationConfig(), spec, sums.statistics())
    return build(config, spec, 4, prepare=prepare, seed=3).eval()


@pytest.mark.parametrize(("config", "spec"), NETS)
def test_a_net_read_back_gives_the_same_answers(
    config: Any, spec: TensorSpec, tmp_path: Path
) -> None:
    net, x = fitted(config, spec), random_input(spec)
    save(net, tmp_path, labels=["a", "b", "c", "d"], extra={"experiment": {"name": "x"}})
    again = load(tmp_path)
    torch.testing.assert_close(again(x), net(x))  # its pictures lie in memory pixel by pixel
    assert again.labels == ("a", "b", "c", "d")
    assert json.loads((tmp_path / "model.json").read_text())["experiment"] == {"name": "x"}
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(("config", "spec"), NETS)
def test_onnx_gives_the_same_answers(config: Any, spec: TensorSpec, tmp_path: Path) -> None:
    import onnxruntime

    net, x = fitted(config, spec), random_input(spec, 7)
    net.lengths = False
    to_onnx(net, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (found,) = session.run(None, {"features": x.numpy()})
    np.testing.assert_allclose(found, net(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        SequenceCNNConfig(wide=2),
        CNNConfig(),
        RNNConfig(cell="lstm"),
        RNNConfig(cell="gru", bidirectional=True),
        RNNConfig(cell="gru", bidirectional=True, summary="mean_max", layers=2),
    ],
)
def test_onnx_of_texts_leaves_the_padding_out(config: Any, tmp_path: Path) -> None:
    import onnxruntime

    net = fitted(config, TOKENS)
    x, length = random_input(TOKENS, 7), torch.tensor([4, 1, 3, 5, 2, 6, 0])
    x[torch.arange(9)[None] >= length[:, None]] = 0
    to_onnx(net, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (found,) = session.run(None, {"features": x.numpy()})
    np.testing.assert_allclose(found, net(x, length).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        SequenceCNNConfig(wide=2, summary="mean_max"),
        CNNConfig(),
        RNNConfig(cell="lstm", relative=True),
        RNNConfig(cell="gru", bidirectional=True, summary="mean_max", layers=2),
    ],
)
def test_onnx_of_series_takes_their_lengths(config: Any, tmp_path: Path) -> None:
    import onnxruntime

    net = fitted(config, SERIES)
    x, length = random_input(SERIES, 7), torch.tensor([4, 1, 3, 9, 2, 6, 8])
    save(net, tmp_path)
    to_onnx(load(tmp_path), tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (found,) = session.run(None, {"features": x.numpy(), "length": length.numpy()})
    expected = net(x, length).detach()
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(expected, net(x)), "the length decides"


def damaged(folder: Path, how: str) -> Path:
    weights, described = folder / "model.safetensors", folder / "model.json"
    if how == "missing":
        weights.unlink()
    elif how == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "foreign":
        described.write_text("[1, 2]")
    elif how == "newer":
        described.write_text(described.read_text().replace('"format": 1', '"format": 99'))
    elif how == "other net":
        described.write_text(described.read_text().replace('"num_outputs": 4', '"num_outputs": 5'))
    elif how == "unknown setting":
        described.write_text(described.read_text().replace('"dense"', '"dance"'))
    return folder


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "model.safetensors is missing"),
        ("cut", "does not hold a usable net"),
        ("foreign", "does not hold a usable net"),
        ("newer", "format 99; this version reads 1"),
        ("other net", "does not hold a usable net"),
        ("unknown setting", "does not hold a usable net"),
    ],
)
def test_a_damaged_model_is_refused(how: str, message: str, tmp_path: Path) -> None:
    save(fitted(CNNConfig(), IMAGE), tmp_path)
    with pytest.raises(ModelFileError, match=message):
        load(damaged(tmp_path, how))


def test_a_pickle_in_place_of_weights_is_not_run(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    save(fitted(CNNConfig(), IMAGE), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(ModelFileError):
        load(tmp_path)
    assert not (tmp_path / "ran").exists()


def rows_of(x: torch.Tensor) -> list[bytes]:
    return [row.tobytes() for row in x.numpy()]


def test_the_predictor_answers_as_the_net_does(tmp_path: Path) -> None:
    net, x = fitted(CNNConfig(), IMAGE), random_input(IMAGE)
    save(net, tmp_path, labels=["a", "b", "c", "d"])
    table = pd.DataFrame({"features": rows_of(x)}, index=[10, 11, 12, 13, 14])
    found = _load_pyfunc(str(tmp_path)).predict(table)
    probabilities = torch.softmax(net(x), dim=1).detach().numpy()
    np.testing.assert_allclose(np.stack(found["probabilities"]), probabilities, atol=1e-6)
    assert found["prediction"].tolist() == probabilities.argmax(1).tolist()
    assert found["label"].tolist() == ["abcd"[i] for i in probabilities.argmax(1)]
    assert found.index.tolist() == table.index.tolist()


def test_the_predictor_takes_lengths(tmp_path: Path) -> None:
    net, x = fitted(RNNConfig(cell="gru"), SERIES), random_input(SERIES)
    save(net, tmp_path)
    table = pd.DataFrame({"features": rows_of(x), "length": [9, 1, 4, 7, 2]})
    found = _load_pyfunc(str(tmp_path)).predict(table)
    expected = net(x, torch.tensor([9, 1, 4, 7, 2])).detach().numpy()
    np.testing.assert_allclose(np.stack(found["prediction"]), expected, atol=1e-6)


def test_a_sample_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    save(fitted(CNNConfig(), IMAGE), tmp_path)
    with pytest.raises(ConfigError, match=r"must be 768 bytes \(\(3, 16, 16\) uint8\), got 5"):
        _load_pyfunc(str(tmp_path)).predict(pd.DataFrame({"features": [b"short"]}))
