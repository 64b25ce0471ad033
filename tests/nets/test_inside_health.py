from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nets import inside
from tests.nets.inside_nets import Whole, convolutional, images, recurrent


def test_a_dead_filter_is_found_and_counted() -> None:
    net = convolutional()
    with torch.no_grad():
        net.body[0].bias[[1, 4]] = -100.0  # type: ignore[index]
    first = inside.health(net, images(30), batch_size=7)[0]
    assert (first.layer, first.activation, first.num_units) == ("body.1", "ReLU", 6)
    assert first.dead_share == pytest.approx(2 / 6) and first.ill == (1, 4)
    assert first.saturated_share is None


def test_one_sample_that_fires_once_keeps_a_unit_alive() -> None:
    net = Whole(nn.Identity(), nn.Sequential(nn.Linear(1, 1), nn.ReLU()))
    with torch.no_grad():
        net.body[0].weight.fill_(1)  # type: ignore[index]
        net.body[0].bias.fill_(0)  # type: ignore[index]
    x = -torch.ones(600, 1)
    assert inside.health(net, x)[0].dead_share == 1
    x[-1] = 0.001  # in the last batch of three
    assert inside.health(net, x)[0].dead_share == 0


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh])
def test_saturated_units(activation: type[nn.Module]) -> None:
    net = Whole(nn.Identity(), nn.Sequential(nn.Linear(1, 3, bias=False), activation()))
    with torch.no_grad():
        net.body[0].weight[:] = torch.tensor([[0.1], [100.0], [1.0]])  # type: ignore[index]
    (item,) = inside.health(net, torch.linspace(-3, 3, 400)[:, None])
    assert item.saturated_share == pytest.approx(1 / 3) and item.ill == (1,)
    assert item.dead_share is None


def test_statistics_and_histogram_match_the_values() -> None:
    net, x = convolutional(), images(40)
    item = inside.health(net, x, batch_size=16)[0]
    values = inside.feature_maps(net, x, ["body.1"])["body.1"]
    assert item.mean == pytest.approx(values.mean(), rel=1e-5)
    assert item.std == pytest.approx(values.std(), rel=1e-4)
    assert item.zero_share == pytest.approx((values == 0).mean())
    counts, edges = np.histogram(values, bins=64)
    assert list(item.counts) == counts.tolist()
    np.testing.assert_allclose(item.edges, edges, rtol=1e-5)


def test_a_recurrent_layers_padding_is_not_counted() -> None:
    net = recurrent("rnn", layers=1, both=False)
    x, length = torch.randn(6, 9, 3), torch.tensor([1, 2, 3, 4, 5, 9])
    (item,) = inside.health(net, x, length)
    assert item.activation == "RNN" and item.num_units == 7
    assert sum(item.counts) == 7 * int(length.sum())
    assert item.zero_share == 0
    with torch.no_grad():
        net.body.cell.bias_ih_l0[:3] = 50.0
    assert inside.health(net, x, length)[0].saturated_share == pytest.approx(3 / 7)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_watching_an_evaluation_finds_what_a_look_of_its_own_finds(
    activation: type[nn.Module],
) -> None:
    net, x = convolutional(activation).eval(), images(40)
    with torch.no_grad():
        net.body[0].bias[:2] = -100.0  # type: ignore[index]
    with torch.inference_mode(), inside.watch_health(net, 30) as found:
        net(x)
        net(1000 * x)  # a second batch is not looked at
    asked = {}
    for item in inside.health(net, x[:30]):
        if item.dead_share is not None:
            asked[f"health/{item.layer}/dead_share"] = item.dead_share
        if item.saturated_share is not None:
            asked[f"health/{item.layer}/saturated_share"] = item.saturated_share
    assert found == asked
    assert found["health/body.1/" + ("dead" if activation is nn.ReLU else "saturated") + "_share"]
    assert not any(module._forward_hooks for module in net.modules())
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_watching_a_recurrent_net_leaves_padding_out() -> None:
    net = recurrent("rnn", layers=1, both=False).eval()
    with torch.no_grad():
        net.body.cell.bias_ih_l0[:3] = 50.0
    with torch.inference_mode(), inside.watch_health(net) as found:
        net(torch.randn(6, 9, 3), torch.tensor([1, 2, 3, 4, 5, 9]))
    assert found == {"health/body.cell/saturated_share": pytest.approx(3 / 7)}


def test_the_verdict_names_the_layer_the_epoch_and_the_cause() -> None:
    net = convolutional()
    with torch.no_grad():
        net.body[0].bias[:4] = -100.0  # type: ignore[index]
    layers = inside.health(net, images(30))
    history = {"health/body.1/dead_share": [(1, 0.0), (2, 0.2), (3, 0.0), (4, 0.5), (5, 4 / 6)]}
    settings = {"training.learning_rate": "1.0", "training.optimizer": "sgd"}
    first = inside.verdict(layers, history, settings)[0]
    assert (first.level, first.layer) == ("bad", "body.1")
    assert first.text.startswith("67% of the ReLU units are dead since epoch 4.")
    assert "learning rate of 1.0" in first.text
    assert "4 of 6 units on 30 samples" in first.evidence
    mild = inside.verdict(
        layers, {}, {"training.learning_rate": "1e-4", "training.optimizer": "sgd"}
    )
    assert "learning rate of" not in mild[0].text


def test_a_healthy_net_is_called_healthy() -> None:
    (only,) = inside.verdict(inside.health(convolutional(nn.Tanh), images(30))[:1])
    assert only.level == "good" and "30 samples" in only.evidence


def test_the_verdict_sees_a_starved_layer_and_a_violent_update() -> None:
    history = {
        "health/body.0/gradient_norm": [(1, 1e-7)],
        "health/body.8/gradient_norm": [(1, 2.0)],
        "health/body.3/update_ratio": [(1, 3.0)],
    }
    found = {f.layer: f.text for f in inside.verdict([], history)}
    assert "gradient" in found["body.0"] and "own size" in found["body.3"]
