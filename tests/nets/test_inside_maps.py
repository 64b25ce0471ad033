from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from nets import inside
from nets.errors import ConfigError
from tests.nets.inside_nets import Whole, convolutional, images


def test_maps_equal_the_net_run_by_hand_despite_in_place_activations() -> None:
    net = convolutional(inplace=True).eval()
    x = images(3)
    maps = inside.feature_maps(net, x)
    with torch.no_grad():
        conv = net.body[0](x.float() / 255)  # type: ignore[index]
        last = net(x)
    np.testing.assert_allclose(maps["body.0"], conv.numpy(), rtol=1e-6)
    assert maps["body.0"].min() < 0, "the in-place ReLU that follows must not have changed it"
    np.testing.assert_allclose(maps["body.1"], conv.clamp(min=0).numpy(), rtol=1e-6)
    np.testing.assert_allclose(maps["body.8"], last.numpy(), rtol=1e-6)
    assert list(maps) == ["prepare", *(f"body.{layer}" for layer in (0, 1, 2, 3, 4, 5, 8))]


def test_chosen_layers_only_and_an_unknown_one_is_refused_by_name() -> None:
    net = convolutional()
    assert list(inside.feature_maps(net, images(1), ["body.2"])) == ["body.2"]
    with pytest.raises(ConfigError, match=r"Unknown layer 'body\.22'.*body\.2"):
        inside.feature_maps(net, images(1), ["body.22"])


def test_looking_leaves_the_net_as_it_was() -> None:
    net = convolutional().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    inside.feature_maps(net, images(4))
    inside.health(net, images(4))
    assert net.training and net.body.training
    assert not any(module._forward_hooks for module in net.modules())
    assert all(p.grad is None for p in net.parameters())
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_private_copy_shares_the_weights() -> None:
    net = convolutional()
    twin = inside.copy_modules(net)
    pairs = list(zip(net.parameters(), twin.parameters(), strict=True))
    assert pairs and all(a is b for a, b in pairs)
    assert twin.body is not net.body


def test_many_threads_share_one_net_and_see_only_their_own_picture() -> None:
    net = convolutional()
    pictures = images(8)
    expected = [inside.feature_maps(net, pictures[i : i + 1]) for i in range(8)]
    wrong: list[str] = []

    def look(i: int) -> None:
        for _ in range(10):
            for name, maps in inside.feature_maps(net, pictures[i : i + 1]).items():
                if not np.array_equal(maps, expected[i][name]):
                    wrong.append(f"thread {i}, {name}")

    threads = [threading.Thread(target=look, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_module_that_runs_twice_is_seen_twice() -> None:
    relu = nn.ReLU()
    net = Whole(nn.Identity(), nn.Sequential(nn.Linear(3, 3), relu, nn.Linear(3, 3), relu))
    maps = inside.feature_maps(net, torch.randn(2, 3))
    assert {"body.1", "body.1#2"} <= set(maps)


def test_top_activating_is_the_maximum_over_samples_and_positions() -> None:
    net, x = convolutional(), images(20)
    found = inside.top_activating(net, "body.0", 2, x, count=5, batch_size=6)
    maps = inside.feature_maps(net, x, ["body.0"])["body.0"][:, 2]
    order = np.argsort(-maps.reshape(20, -1).max(axis=1))[:5]
    assert [item.index for item in found] == order.tolist()
    for item in found:
        assert maps[item.index, item.row, item.column] == pytest.approx(item.value, rel=1e-6)
        assert item.value == pytest.approx(float(maps[item.index].max()), rel=1e-6)
    with pytest.raises(ConfigError, match="must be 0 to 5, got 6"):
        inside.top_activating(net, "body.0", 6, x)


@pytest.mark.parametrize(
    ("layer", "at", "field"),
    [
        ("body.0", (4, 4), (3, 3, 6, 6)),
        ("body.0", (0, 7), (0, 6, 2, 8)),  # at the border the padding is not part of it
        ("body.2", (1, 1), (1, 1, 5, 5)),
        ("body.3", (1, 1), (1, 1, 8, 8)),
        ("body.8", (0, 0), (0, 0, 8, 8)),
    ],
)
def test_receptive_field(layer: str, at: tuple[int, int], field: tuple[int, int, int, int]) -> None:
    assert inside.receptive_field(convolutional(), layer, images(1), *at) == field


def test_maximising_finds_more_than_any_sample_and_more_than_noise() -> None:
    net = convolutional()
    made = inside.maximise(net, "body.3", 1, images(1), steps=60)
    samples = inside.feature_maps(net, images(50), ["body.3"])["body.3"][:, 1].mean(axis=(1, 2))
    assert made.pixels.shape == (3, 8, 8)
    assert made.value > made.start
    assert made.value > samples.max()
    again = inside.maximise(net, "body.3", 1, images(1), steps=60)
    np.testing.assert_array_equal(again.pixels, made.pixels)


def test_scores_are_the_nets_own_and_probabilities_add_up() -> None:
    net, x = convolutional().eval(), images(4)
    logits = inside.scores(net, x)
    np.testing.assert_allclose(logits, net(x).detach().numpy(), rtol=1e-6)
    shares = inside.probabilities(logits)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(shares, torch.tensor(logits).softmax(1).numpy(), rtol=1e-5)
