"""The wide part, and convolutions of several widths over sequences."""

from __future__ import annotations

import math

import pytest
import torch

import nets
from nets.config import to_dict
from nets.wide import NGrams, OwnHistory, relative_to_last

TOKENS = nets.TensorSpec(kind="tokens", shape=(8,), dtype="int32", vocabulary_size=20)
SERIES = nets.TensorSpec(kind="series", shape=(8, 3))
VECTOR = nets.TensorSpec(kind="vector", shape=(5,))


def test_ngrams_count_the_tokens_and_pairs_of_a_text_and_nothing_else() -> None:
    layer = NGrams(2, 20, 1, 0.0)
    with torch.no_grad():
        layer.weight[5] = 1.0
    once, twice, padded = [5, 6, 7, 0, 0], [5, 5, 7, 0, 0], [5, 6, 7]
    out = layer(torch.tensor([once, twice]))[:, 0]
    # 3 tokens and 2 pairs: each counts 1 / sqrt(5), times the factor of the layer.
    assert out.tolist() == pytest.approx([20 / math.sqrt(5), 40 / math.sqrt(5)])
    assert layer(torch.tensor([padded]))[0, 0] == out[0]
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[20:].uniform_()
    same_words = layer(torch.tensor([[5, 6, 7], [7, 6, 5]]))[:, 0]
    assert same_words[0] != same_words[1], "pairs are in order"


def test_a_wide_part_begins_at_zero_and_is_as_large_as_its_classes_allow() -> None:
    config = nets.RNNConfig(hidden=4, wide=2)
    net = nets.build(config, TOKENS, 3).eval()
    plain = nets.build(nets.RNNConfig(hidden=4), TOKENS, 3).eval()
    tokens = torch.randint(1, 20, (4, 8))
    assert torch.equal(net(tokens), plain(tokens))
    assert NGrams(2, 20, 2, 0.0).hashed == 2**17
    assert NGrams(2, 20, 1000, 0.0).hashed * 1000 <= 2**22


@pytest.mark.parametrize(
    ("config", "spec"),
    [
        (nets.CNNConfig(wide=2), nets.TensorSpec(kind="image", shape=(1, 8, 8))),
        (nets.RNNConfig(wide=3), SERIES),
        (nets.RNNConfig(wide=6), TOKENS),
        (nets.RNNConfig(relative=True), TOKENS),
        (nets.SequenceCNNConfig(relative=True), TOKENS),
        (nets.SequenceCNNConfig(), VECTOR),
    ],
)
def test_what_does_not_fit_the_samples_is_refused(config: nets.NetConfig, spec: object) -> None:
    assert isinstance(spec, nets.TensorSpec)
    with pytest.raises(nets.ConfigError):
        nets.build(config, spec, 2)


def test_a_linear_net_has_no_linear_model_beside_it() -> None:
    with pytest.raises(nets.ConfigError, match="linear model already"):
        nets.CNNConfig(blocks=(), dense=(), wide=1)


@pytest.mark.parametrize("spec", [TOKENS, SERIES])
@pytest.mark.parametrize("summary", ["mean", "max", "mean_max"])
@pytest.mark.parametrize("kind", ["sequence_cnn", "rnn"])
def test_padding_changes_nothing(spec: nets.TensorSpec, summary: str, kind: str) -> None:
    options = {"summary": summary, "wide": 1}
    if kind == "rnn":
        config: nets.NetConfig = nets.RNNConfig(hidden=4, **options)
    else:
        config = nets.SequenceCNNConfig(channels=(3, 3), kernels=(2, 3), **options)
    net = nets.build(config, spec, 2).eval()
    length = torch.tensor([3, 5])
    x = torch.randint(1, 20, (2, 8)) if spec is TOKENS else torch.randn(2, 8, 3)
    other = x.clone()
    for row, steps in enumerate(length):
        x[row, steps:] = 0
        other[row, steps:] = 0 if spec is TOKENS else 9
    torch.testing.assert_close(net(x, length), net(other, length))
    one = net(x[:1], length[:1])
    torch.testing.assert_close(net(x, length)[:1], one)


def test_a_relative_net_does_not_see_levels() -> None:
    net = nets.build(nets.RNNConfig(hidden=4, relative=True, wide=1), SERIES, 2).eval()
    x = torch.randn(2, 8, 3)
    torch.testing.assert_close(net(x), net(x + 100), atol=1e-4, rtol=1e-4)
    short = relative_to_last(x, torch.tensor([8, 4]))
    assert (short[1, 4:] == 0).all()
    torch.testing.assert_close(short[1, :4], x[1, :4] - x[1, 3])


def test_a_layer_as_wide_as_its_input_adds_to_it() -> None:
    config = nets.SequenceCNNConfig(channels=(2, 2), kernels=(3, 5), batch_norm=True)
    body = nets.build(config, SERIES, 2).body
    assert isinstance(body, nets.SequenceCNN)
    assert [layer.adds for layer in body.layers] == [False, True]


def test_they_come_back_from_their_files(tmp_path: object) -> None:
    for config in (
        nets.SequenceCNNConfig(wide=2, dropout=0.5),
        nets.CNNConfig(wide=2),
        nets.RNNConfig(wide=2),
    ):
        net = nets.build(config, TOKENS, 3).eval()
        nets.save(net, str(tmp_path))
        loaded = nets.load(str(tmp_path))
        assert to_dict(loaded.config) == to_dict(config)
        tokens = torch.randint(1, 20, (4, 8), dtype=torch.int32)
        assert torch.equal(loaded(tokens), net(tokens))
        assert [layer.name for layer in net.layers()]


def test_the_linear_part_of_a_forecast_reads_each_targets_own_past() -> None:
    sums = nets.Sums(4)
    sums.add(torch.randn(9, 4).double().numpy())
    config = nets.PreparationConfig(targets="change")
    restore = nets.restore.make(config, sums.statistics(), (2, 0) * 2)
    net = nets.build(nets.RNNConfig(hidden=4, wide=1), SERIES, 4, restore=restore).eval()
    wide = net.body.wide
    assert isinstance(wide, OwnHistory)
    with torch.no_grad():
        wide.weight.uniform_()
    x = torch.randn(2, 8, 3)
    out = wide(x)
    first_of_channel_2 = (x[:, :, 2] * wide.weight[0, :, 0]).sum(1)
    second_of_channel_0 = (x[:, :, 0] * wide.weight[1, :, 1]).sum(1)
    torch.testing.assert_close(out[:, 0], first_of_channel_2)
    torch.testing.assert_close(out[:, 3], second_of_channel_0)
    other = x.clone()
    other[:, :, 1] += 1
    assert torch.equal(wide(other), out), "channel 1 is not forecast"


def test_embeddings_begin_small() -> None:
    for config in (nets.RNNConfig(), nets.SequenceCNNConfig(), nets.CNNConfig()):
        spec = nets.TensorSpec(kind="tokens", shape=(8,), dtype="int32", vocabulary_size=500)
        weight = nets.build(config, spec, 2).body.embedding.weight  # type: ignore[union-attr]
        assert 0.08 < float(weight.detach()[1:].std()) < 0.12  # type: ignore[index]
        assert not weight[0].any()  # type: ignore[index]
