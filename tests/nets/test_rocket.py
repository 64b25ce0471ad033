"""Random convolutions of a series: what they count, and that padding is not counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import nets
from nets.rocket import RandomConvolutions

SERIES = nets.TensorSpec(kind="series", shape=(40, 3))


def make(steps: int = 40, channels: int = 3) -> RandomConvolutions:
    torch.manual_seed(0)
    return RandomConvolutions(steps, channels, 2)


def test_a_feature_is_the_share_of_steps_above_a_threshold() -> None:
    layer = make(channels=1)
    x = torch.randn(5, 40, 1)
    layer.fit_thresholds(x)
    features = layer.features(x)
    assert features.shape == (5, layer.linear.in_features)
    filters, threshold = layer.filters[0], layer.thresholds[0][:, 0]
    answers = torch.nn.functional.conv1d(x.transpose(1, 2), filters, padding=4)
    expected = (answers > threshold[:, None]).float().mean(2) - 0.5
    torch.testing.assert_close(features[:, : len(filters)], expected)
    torch.testing.assert_close(features[:, -40:], x[:, :, 0])
    # Each filter has three taps of 2 and six of -1: a level series has no answer but at its ends.
    assert filters.sum(2).abs().max() == 0
    shares = features[:, : layer.thresholds.numel()] + 0.5
    assert 0.4 < shares.mean() < 0.6, "thresholds lie all over what the filters answer"


@pytest.mark.parametrize(("steps", "channels"), [(3, 1), (9, 2), (150, 1), (30, 12)])
def test_short_and_long_series_have_some_thousand_features(steps: int, channels: int) -> None:
    layer = make(steps, channels)
    assert 3_000 < layer.linear.in_features - steps * channels < 6_000
    assert max(layer.dilations) * 8 < max(steps, 9)
    assert torch.isfinite(layer.features(torch.randn(2, steps, channels))).all()


def test_padding_changes_nothing() -> None:
    layer = make()
    length = torch.tensor([12, 40])
    x = torch.randn(2, 40, 3)
    x[0, 12:] = 0
    alone = make()
    alone.load_state_dict(layer.state_dict())
    both, one = layer.features(x, length), alone.features(x[:1], length[:1])
    torch.testing.assert_close(both[:1], one)
    shares = layer.thresholds.numel()
    steps = torch.arange(1, 13) / 12 - 0.5
    values = both[0, :shares].unique()
    assert all((value - torch.tensor([-0.5, *steps])).abs().min() < 1e-6 for value in values)


@pytest.mark.parametrize("config", [nets.SequenceCNNConfig(wide=2), nets.RNNConfig(wide=2)])
def test_it_begins_at_zero_and_comes_back_from_its_files(
    config: nets.NetConfig, tmp_path: Path
) -> None:
    net = nets.build(config, SERIES, 2).eval()
    x = torch.randn(4, 40, 3)
    wide = net.body.wide
    assert isinstance(wide, RandomConvolutions)
    assert not wide(x).any()
    wide.fit_thresholds(x)
    torch.nn.init.normal_(wide.linear.weight)
    nets.save(net, tmp_path)
    assert torch.equal(nets.load(tmp_path)(x), net(x))
    again = nets.build(config, SERIES, 2).body.wide
    assert isinstance(again, RandomConvolutions) and torch.equal(again.filters, wide.filters)
