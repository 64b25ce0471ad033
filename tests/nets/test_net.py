"""Nets of every kind: shapes, refusals, seeds, and what `layers` says of them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets import (
    AutoencoderConfig,
    BlockConfig,
    CNNConfig,
    ConfigError,
    RNNConfig,
    TensorSpec,
    build,
    fast_resnet,
    lenet,
)
from nets.activations import names

DIGIT = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
COLOUR = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
SERIES = TensorSpec(kind="series", shape=(9, 4))
TOKENS = TensorSpec(kind="tokens", shape=(9,), dtype="int32", vocabulary_size=20)
VECTOR = TensorSpec(kind="vector", shape=(5,))

blocks = st.lists(
    st.builds(
        BlockConfig,
        channels=st.integers(1, 4),
        kernel=st.integers(1, 6),
        stride=st.integers(1, 3),
        padding=st.none() | st.integers(0, 3),
        pool=st.sampled_from(["max", "average", "none"]),
        pool_size=st.integers(1, 3),
    ),
    max_size=4,
).map(tuple)


@settings(max_examples=80)
@given(
    blocks=blocks,
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    activation=st.sampled_from(names()),
    global_pool=st.booleans(),
)
def test_a_cnn_runs_or_is_refused_with_the_block_named(
    blocks: tuple[BlockConfig, ...], height: int, width: int, activation: str, global_pool: bool
) -> None:
    spec = TensorSpec(kind="image", shape=(2, height, width))
    config = CNNConfig(blocks=blocks, activation=activation, global_pool=global_pool)
    try:
        net = build(config, spec, 3)
    except ConfigError as error:
        assert "net.blocks." in str(error)
        return
    assert net.eval()(torch.randn(2, 2, height, width)).shape == (2, 3)


@pytest.mark.parametrize("activation", names())
@pytest.mark.parametrize(
    ("config", "spec"),
    [
        (lenet(), DIGIT),
        (CNNConfig(), SERIES),
        (CNNConfig(), TOKENS),
        (CNNConfig(blocks=()), VECTOR),
        (fast_resnet(4), COLOUR),
        (RNNConfig(cell="gru", dense=(8,)), SERIES),
        (AutoencoderConfig(), DIGIT),
    ],
)
def test_only_the_activation_changes_and_the_net_still_builds(
    config: object, spec: TensorSpec, activation: str
) -> None:
    from dataclasses import replace

    net = build(replace(config, activation=activation), spec, 6)  # type: ignore[type-var]
    wanted = (2, *spec.shape) if isinstance(config, AutoencoderConfig) else (2, 6)
    assert net.eval()(net.example(2)).shape == wanted


@pytest.mark.parametrize(
    ("config", "spec", "message"),
    [
        (
            CNNConfig(blocks=(BlockConfig(), BlockConfig(kernel=5, padding=0))),
            DIGIT,
            r"net\.blocks\.1: kernel 5 with padding 0 does not fit a 4x4 map.*fewer blocks",
        ),
        (CNNConfig(blocks=(BlockConfig(),) * 4), DIGIT, r"net\.blocks\.3: pool_size 2 .* 1x1 map"),
        (CNNConfig(), VECTOR, r"a vector \(5,\) has none, got 2 blocks. Set net.blocks to \[\]"),
        (RNNConfig(), DIGIT, r"reads tokens or series, got image \(1, 8, 8\)"),
        (fast_resnet(), TensorSpec(kind="image", shape=(3, 6, 6)), r"at least 8x8, got image"),
        (AutoencoderConfig(), TOKENS, r"needs measured values, got token ids"),
    ],
)
def test_an_impossible_net_is_refused_with_the_way_out(
    config: CNNConfig, spec: TensorSpec, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(config, spec, 10)


def test_the_same_seed_draws_the_same_weights_and_leaves_the_global_one_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, same, other = (build(lenet(), DIGIT, 10, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    pairs = list(zip(first.parameters(), same.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_layers_say_shape_parameters_and_flops() -> None:
    config = CNNConfig(blocks=(BlockConfig(channels=6, kernel=3),), dense=(10,), batch_norm=False)
    layers = {layer.name: layer for layer in build(config, COLOUR, 4).layers()}
    conv, dense = layers["body.blocks.0.conv"], layers["body.dense.0.linear"]
    assert conv.output_shape == (6, 32, 32)
    assert conv.num_parameters == 6 * 3 * 9 + 6
    assert conv.flops == 2 * 6 * 3 * 9 * 32 * 32
    assert layers["body.blocks.0.pool"].output_shape == (6, 16, 16)
    assert dense.num_parameters == 6 * 16 * 16 * 10 + 10
    assert dense.flops == 2 * 6 * 16 * 16 * 10
    assert math.prod(layers["body.output"].output_shape) == 4


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("summary", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_never_changes_an_answer(cell: str, summary: str, bidirectional: bool) -> None:
    config = RNNConfig(
        cell=cell,  # type: ignore[arg-type]
        summary=summary,  # type: ignore[arg-type]
        bidirectional=bidirectional,
        layers=2,
        hidden=7,
    )
    net = build(config, SERIES, 3).double().eval()
    net.prepare.forward = lambda x, length=None: x  # type: ignore[method-assign]
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(5, 9, 4, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([9, 1, 4, 7, 2])
    garbage = rows.clone()
    for row, length in enumerate(lengths):
        garbage[row, length:] = 1e3
    found = net(garbage, lengths)
    alone = [net(rows[i : i + 1, :n]) for i, n in enumerate(lengths)]
    assert torch.allclose(found, torch.cat(alone), rtol=0, atol=1e-12)
    assert torch.allclose(net(rows), net(rows, torch.full((5,), 9)), rtol=0, atol=1e-12)


def test_an_autoencoder_encodes_to_its_code() -> None:
    net = build(AutoencoderConfig(code_size=3, hidden=(16, 8)), DIGIT, 1)
    code = net.body.encode(net.prepare(net.example(4)))
    assert code.shape == (4, 3)
    assert net.body.decode(code).shape == (4, 1, 8, 8)
