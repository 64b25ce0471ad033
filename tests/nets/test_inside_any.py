"""Nets of others inside: shared modules, branches, attention, recurrences anywhere, nets of libraries."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from torch import Tensor, nn

from nets import ConfigError, Custom, TensorSpec, TrainingConfig, build, inside
from nets.config import to_dict
from nets.fit import Batch, Fit
from nets.library import Timm, Torchvision
from nets.net import NetConfig
from tests.nets.test_custom import run_file

NETS = '''
import torch
from torch import nn


class Shared(nn.Module):
    """One convolution that runs twice, beside a branch."""

    def __init__(self, spec, num_outputs):
        super().__init__()
        self.last = nn.Linear(4, num_outputs)
        self.first = nn.Conv2d(spec.shape[0], 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.also = self.again
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(self.first(x))
        y = self.act(self.again(x))
        return self.last((x + self.act(self.also(y))).mean((2, 3)))


class Reader(nn.Module):
    """A recurrence in the middle, then attention."""

    def __init__(self, spec, num_outputs, *, width: int = 8):
        super().__init__()
        self.embed = nn.Linear(spec.shape[1], width)
        self.middle = nn.ModuleDict({"memory": nn.LSTM(width, width, batch_first=True)})
        layer = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.output = nn.Linear(width, num_outputs)

    def forward(self, x, length=None):
        x, _ = self.middle["memory"](self.embed(x))
        return self.output(self.encoder(x).mean(1))
'''
PICTURES = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
SERIES = TensorSpec(kind="series", shape=(6, 3))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("inside")
    (folder / "own_inside.py").write_text(NETS)
    return run_file(folder, "own_inside")


def test_a_shared_module_is_listed_each_time_it_runs(own: Any) -> None:
    net = build(Custom(own.Shared), PICTURES, 3)
    layers = {layer.name: layer for layer in net.layers()}
    convolution, again = layers["body.net.again"], layers["body.net.again#2"]
    assert list(layers)[-1] == "body.net.last"  # in the order they ran, not of the class
    assert convolution.flops == again.flops == 2 * 64 * 4 * 4 * 9
    assert again.num_parameters == 0
    assert sum(layer.num_parameters for layer in layers.values()) == sum(
        p.numel() for p in net.parameters()
    )
    pixels = torch.randint(0, 17, (3, 1, 8, 8)).to(torch.uint8)
    maps = inside.feature_maps(net, pixels)
    assert list(maps) == [name for name in layers if name in maps]
    x = maps["body.net.first"].clip(0)
    with torch.no_grad():
        second = net.body.net.again(torch.from_numpy(maps["body.net.again"].clip(0)))  # type: ignore[operator, union-attr]
    np.testing.assert_allclose(maps["body.net.again#2"], second, atol=1e-5)
    assert x.shape == (3, 4, 8, 8)
    check_inside(net, pixels)


def test_states_and_attention_are_found_anywhere(own: Any) -> None:
    net = build(Custom(own.Reader), SERIES, 3)
    rows = torch.rand(4, 6, 3)
    (memory,) = inside.states(net, rows)
    assert memory.name == "body.middle.memory" and memory.hidden.shape == (6, 8)
    with torch.no_grad():
        out, _ = net.body.middle["memory"](net.body.embed(rows[:1]))  # type: ignore[operator, index, union-attr]
    np.testing.assert_allclose(memory.hidden, out[0], atol=1e-5)
    maps = inside.attention_maps(net, rows)
    names = [f"body.encoder.layers.{i}.self_attn" for i in (0, 1)]
    assert list(maps) == names == inside.attention_layers(net)
    for each in maps.values():
        assert each.shape == (4, 2, 6, 6)
        np.testing.assert_allclose(each.sum(3), 1, atol=1e-5)
    first: nn.MultiheadAttention = net.get_submodule(names[0])  # type: ignore[assignment]
    with torch.no_grad():
        x, _ = net.body.middle["memory"](net.body.embed(rows))  # type: ignore[operator, index, union-attr]
        _, expected = first(x, x, x, average_attn_weights=False)
    np.testing.assert_allclose(maps[names[0]], expected, atol=1e-5)
    assert torch.backends.mha.get_fastpath_enabled()
    assert inside.scores(net, rows).shape == (4, 3)
    assert np.abs(inside.step_attribution(net, rows[:1], 1)).max() > 0


def check_inside(net: Any, pixels: Tensor) -> None:
    """Filters, what excites them, attribution and health, by module types alone."""
    first, last = inside.convolutions(net)[0], inside.convolutions(net)[-1]
    assert inside.filters(net, first).ndim == 4
    best = inside.top_activating(net, last, 0, pixels, count=2)
    assert len(best) == 2 and best[0].value >= best[1].value
    for method in inside.METHODS:
        heat = inside.attribute(net, pixels[:1], 1, method)
        assert heat.ndim == 2 and np.isfinite(heat).all()
    health = inside.health(net, pixels)
    assert health


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("torchvision", lambda: Torchvision("resnet18")),
        ("timm", lambda: Timm("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2)),
    ],
)
def test_nets_of_libraries_go_through_inside(package: str, make: Any) -> None:
    skip_without(package)
    spec = TensorSpec(kind="image", shape=(1, 32, 32), dtype="uint8")
    config = make()
    assert from_dict_of(config) == config and config.is_loaded
    net = build(config, spec, 5)
    pixels = torch.randint(0, 255, (4, 1, 32, 32)).to(torch.uint8)
    fit = Fit(net, TrainingConfig(batch_size=4), steps_per_epoch=1)
    fit.train_epoch([Batch(pixels, torch.tensor([0, 1, 2, 3]))])
    layers = net.layers()
    assert sum(layer.num_parameters for layer in layers) > 100_000
    assert sum(layer.flops for layer in layers) > 1e6
    check_inside(net, pixels)
    with pytest.raises(ConfigError, match=f"Unknown net of {package}"):
        build(type(config)(name="resent18"), spec, 5)


def skip_without(package: str) -> None:
    try:
        importlib.import_module(package)
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"{package} for this torch is not installed: {error}")


def from_dict_of(config: Any) -> Any:
    """The configuration from its record."""
    return pydantic.TypeAdapter(NetConfig).validate_python(to_dict(config))


def test_a_library_that_is_not_there_is_named() -> None:
    if importlib.util.find_spec("torchvision") is not None:
        pytest.skip("torchvision is installed")
    with pytest.raises(
        ConfigError, match=r"resnet18 is a net of torchvision, which cannot be imported"
    ):
        build(Torchvision("resnet18"), PICTURES, 5)
