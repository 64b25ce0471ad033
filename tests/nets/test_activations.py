"""Activations and the initialisation that suits them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nets import ConfigError
from nets.activations import Maxout, initialise, make, names, widen


def test_maxout_is_the_largest_of_its_linear_pieces() -> None:
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(5, widen("maxout", 4, 3), dtype=torch.float64)
    x = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    found = make("maxout", pieces=3)(linear(x))
    weight, bias = linear.weight.reshape(4, 3, 5), linear.bias.reshape(4, 3)
    expected = (torch.einsum("nf,upf->nup", x, weight) + bias).max(dim=2).values
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "dim", "reduced"),
    [((2, 6), 1, (2, 3)), ((2, 6, 4, 5), 1, (2, 3, 4, 5)), ((2, 7, 6), -1, (2, 7, 3))],
)
def test_maxout_reduces_its_own_dimension_only(
    shape: tuple[int, ...], dim: int, reduced: tuple[int, ...]
) -> None:
    x = torch.randn(shape)
    found = Maxout(2, dim)(x)
    assert found.shape == reduced
    pairs = x.movedim(dim, -1).reshape(*found.movedim(dim, -1).shape, 2)
    assert torch.equal(found.movedim(dim, -1), pairs.amax(-1))


@pytest.mark.parametrize("name", names())
def test_no_activation_overwrites_its_input(name: str) -> None:
    x = torch.randn(3, 4, requires_grad=True)
    before = x.detach().clone()
    out = make(name)(x)
    out.sum().backward()
    assert torch.equal(x, before)
    assert x.grad is not None and torch.isfinite(x.grad).all()


def test_an_unknown_activation_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'rellu'. Did you mean 'relu'.*Known: elu, .* tanh"):
        make("rellu")


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("relu", 2 / 400),  # He: 2 / fan_in
        ("leaky_relu", 2 / (1 + 0.01**2) / 400),
        ("tanh", 2 / (400 + 600)),  # Glorot: 2 / (fan_in + fan_out)
        ("maxout", 2 / (400 + 600)),
        ("sigmoid", 16 * 2 / (400 + 600)),
    ],
)
def test_weights_have_the_variance_of_their_formula(name: str, variance: float) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(400, 600)
    initialise(layer, name)
    # The sample variance of 240,000 draws is within a percent of the true one.
    assert layer.weight.var().item() == pytest.approx(variance, rel=0.02)
    assert not layer.bias.any()
