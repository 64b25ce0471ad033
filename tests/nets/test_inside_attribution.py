from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nets import inside
from nets.errors import ConfigError
from tests.nets.inside_nets import Scale, Tokens, Whole, convolutional, images, recurrent


def test_grad_cam_is_its_own_formula() -> None:
    net, x = convolutional(inplace=False).eval(), images(1)
    heat = inside.grad_cam(net, x, 2, "body.3")
    maps = net.body[:4](x.float() / 255).detach().requires_grad_()  # type: ignore[index]
    (gradient,) = torch.autograd.grad(net.body[4:](maps)[0, 2], maps)  # type: ignore[index]
    weight = gradient.mean(dim=(2, 3), keepdim=True)
    expected = (weight * maps).sum(dim=1).clamp(min=0)[0].detach()
    np.testing.assert_allclose(heat, expected.numpy(), atol=1e-6)
    assert heat.min() >= 0


def test_integrated_gradients_add_up_to_the_difference_from_the_baseline() -> None:
    net, x = convolutional(nn.Tanh).eval(), images(1)
    heat = inside.integrated_gradients(net, x, 1, steps=200)
    black = torch.zeros_like(x)
    gained = float((net(x) - net(black))[0, 1].detach())
    assert heat.shape == (8, 8)
    assert float(heat.sum()) == pytest.approx(gained, rel=0.02, abs=1e-3)


def test_occlusion_finds_the_only_pixels_that_count() -> None:
    linear = nn.Linear(3 * 64, 2, bias=False)
    with torch.no_grad():
        linear.weight.zero_()
        linear.weight.view(2, 3, 8, 8)[1, :, 2:4, 4:6] = 1
    net = Whole(Scale(), nn.Sequential(nn.Flatten(), linear))
    heat = inside.occlusion(net, torch.full((1, 3, 8, 8), 200, dtype=torch.uint8), 1)
    assert np.unravel_index(heat.argmax(), heat.shape) in {(r, c) for r in (2, 3) for c in (4, 5)}
    assert heat[6:, :2].max() == 0


@pytest.mark.parametrize("method", inside.METHODS)
def test_every_method_leaves_no_trace_and_explains_one_picture(method: str) -> None:
    net = convolutional()
    heat = inside.attribute(net, images(1), 0, method)  # type: ignore[arg-type]
    assert heat.ndim == 2 and np.isfinite(heat).all()
    assert all(p.grad is None for p in net.parameters())
    with pytest.raises(ConfigError, match="one picture"):
        inside.attribute(net, images(2), 0, method)  # type: ignore[arg-type]


def test_steps_of_a_series_add_up() -> None:
    net = recurrent("lstm", layers=1, both=False).eval()
    x = torch.randn(1, 6, 3)
    values = inside.step_attribution(net, x, 2, steps=400)
    gained = float((net(x) - net(torch.zeros_like(x)))[0, 2].detach())
    assert float(values.sum()) == pytest.approx(gained, rel=0.02, abs=1e-3)
    short = inside.step_attribution(net, x, 2, length=4)
    assert short.shape == (6,) and (short[4:] == 0).all() and (short[:4] != 0).all()


def test_tokens_are_attributed_exactly_where_the_net_is_linear() -> None:
    net = Whole(nn.Identity(), Tokens()).eval()
    x = torch.tensor([[3, 7, 1, 0, 0]])
    values = inside.step_attribution(net, x, 1, length=3)
    embedded = net.body.embedding(x)[0].detach()
    expected = embedded @ net.body.head.weight[1].detach()
    expected[3:] = 0
    np.testing.assert_allclose(values, expected.numpy(), atol=1e-6)
