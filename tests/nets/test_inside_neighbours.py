from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nets import CNNConfig, RNNConfig, TensorSpec, build, inside
from nets.errors import ConfigError


def test_the_embedding_is_what_the_last_linear_layer_reads() -> None:
    net = build(CNNConfig(), TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8"), 3)
    features = torch.randint(0, 255, (10, 1, 8, 8), dtype=torch.uint8)
    seen = inside.embed(net, features, batch_size=4)
    layer = next(m for m in reversed(list(net.modules())) if isinstance(m, nn.Linear))
    expected = net.eval()(features).detach()
    assert seen.embedding.shape == (10, layer.in_features)
    assert np.allclose(seen.scores, expected.numpy(), atol=1e-5)
    again = layer(torch.from_numpy(seen.embedding)).detach()
    assert torch.allclose(again, expected, atol=1e-5)


def test_sequences_have_embeddings_too() -> None:
    net = build(RNNConfig(hidden=6), TensorSpec(kind="series", shape=(5, 2)), 3)
    lengths = torch.tensor([5, 3, 1])
    assert inside.embed(net, torch.randn(3, 5, 2), lengths).embedding.shape == (3, 6)


def test_a_net_without_a_linear_layer_has_none() -> None:
    with pytest.raises(ConfigError, match="no linear layer"):
        inside.embed(nn.Conv1d(1, 1, 1), torch.zeros(2, 1, 3))


def test_neighbours_are_those_of_a_plain_search() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(50, 7)).astype(np.float32)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    near = inside.nearest(points, points, 4, same=True)
    assert np.array_equal(near.index, np.argsort(-cosine, axis=1)[:, :4])
    assert inside.nearest(points[:3], points, 1).index[:, 0].tolist() == [0, 1, 2]
    with pytest.raises(ConfigError, match="50 neighbours need more samples"):
        inside.nearest(points, points, 50, same=True)


def test_reduced_width_keeps_the_largest_axes() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(200, 5)).astype(np.float32) * [10, 1, 5, 0.1, 0.01]
    reduced = inside.reduce_width(points.astype(np.float32), 2)
    assert abs(np.corrcoef(reduced[:, 0], points[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(reduced[:, 1], points[:, 2])[0, 1]) > 0.99
    assert inside.reduce_width(reduced, 2) is reduced


def test_a_label_is_doubtful_by_its_loss_or_by_its_neighbours() -> None:
    label = np.array([0, 0, 1, 1, 0])
    neighbours = np.array([[0, 0], [0, 0], [1, 1], [1, 0], [1, 1]])
    loss = np.array([0.1, 0.2, 0.1, 0.3, 0.05], dtype=np.float32)
    doubt = inside.label_doubt(loss, label, neighbours)
    assert doubt.min() >= 0 and doubt.max() <= 1
    assert doubt.argmax() == 3  # both the loss and a neighbour
    assert doubt[4] > doubt[0]  # learned by heart, and none like it nearby
