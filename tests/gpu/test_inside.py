"""Looking inside a net on a GPU, and nets that leave it, give what the CPU gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nets import Net, inside
from nets.files import load, save, to_onnx
from tests.gpu.samples import SAMPLES, to_device, train

CPU = torch.device("cpu")


@pytest.fixture(params=["cnn", "resnet", "lstm"])
def pair(request: pytest.FixtureRequest, device: torch.device) -> tuple[str, Net, Net]:
    """A trained net on the device, and its copy on the CPU."""
    sample = SAMPLES[request.param]
    fit = sample.start(device, precision="float32")
    train(fit, to_device(sample.rows(), device))
    copy = sample.make()
    copy.load_state_dict({name: x.cpu() for name, x in fit.net.state_dict().items()})
    return request.param, fit.net.eval(), copy.eval()


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-3 * max(1, abs(b).max()))


def test_maps_health_and_attribution(pair: tuple[str, Net, Net], device: torch.device) -> None:
    name, there, here = pair
    rows = SAMPLES[name].rows()
    features = rows.features[:4]
    maps = inside.feature_maps(there, features.to(device))
    expected = inside.feature_maps(here, features)
    assert list(maps) == list(expected)
    assert all(close(maps[layer], expected[layer]) for layer in maps)

    health = inside.health(there, features.to(device))
    expected_health = inside.health(here, features)
    assert [x.layer for x in health] == [x.layer for x in expected_health]

    if name == "lstm":
        (states,) = inside.states(there, features[:1].to(device))
        (expected_states,) = inside.states(here, features[:1])
        assert close(states.hidden, expected_states.hidden)
        steps = inside.step_attribution(there, features[:1].to(device), 1)
        assert close(steps, inside.step_attribution(here, features[:1], 1))
        return
    layer = inside.convolutions(there)[0]
    assert close(inside.filters(there, layer), inside.filters(here, layer))
    for method in inside.METHODS:
        picture = features[:1]
        drawn = inside.attribute(there, picture.to(device), 1, method)
        assert close(drawn, inside.attribute(here, picture, 1, method)), method


def test_a_net_leaves_the_gpu_as_files(
    pair: tuple[str, Net, Net], device: torch.device, tmp_path: Path
) -> None:
    name, there, here = pair
    features = SAMPLES[name].rows().features[:4]
    save(there, tmp_path / "saved")
    saved = load(tmp_path / "saved")
    assert close(inside.scores(saved, features), inside.scores(here, features))
    assert next(there.parameters()).device.type == device.type
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    to_onnx(there, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "net.onnx", providers=["CPUExecutionProvider"]
    )
    given = {"features": features.numpy()}
    if name == "lstm":  # the rows of a series may be shorter
        given["length"] = np.full(len(features), features.shape[1], np.int64)
    (scores,) = session.run(None, given)
    assert close(scores, inside.scores(here, features))
