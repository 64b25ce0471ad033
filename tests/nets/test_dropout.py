"""Dropout by shared draws does what PyTorch's does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nets.dropout import Dropout


def picture(layout: torch.memory_format) -> Tensor:
    return torch.ones(64, 32, 8, 8).contiguous(memory_format=layout)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_drops_the_share_it_is_told_and_scales_the_rest(
    p: float, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    x = picture(layout)
    out = Dropout(p)(x)
    share = float((out == 0).float().mean())
    assert share == pytest.approx(p, abs=0.005)  # 131,072 elements: 3.6 standard deviations
    assert out[out != 0].unique().item() == pytest.approx(1 / (1 - p), rel=1e-4)
    assert out.stride() == x.stride()


def test_elements_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = (Dropout(0.5)(torch.ones(40_000, 4)) == 0).float()
    assert torch.corrcoef(dropped.T).triu(1).abs().max() < 0.02  # within one draw
    assert torch.corrcoef(torch.stack([dropped[:-1, 3], dropped[1:, 0]]))[0, 1].abs() < 0.02


def test_gradients_pass_where_values_do() -> None:
    x = torch.rand(50, 7, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(out, x * x.grad)
    assert 0 < (x.grad == 0).sum() < x.numel()


def test_the_seed_decides() -> None:
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(Dropout(0.5)(torch.ones(1000)))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_nothing_is_dropped_in_evaluation(p: float) -> None:
    x = torch.rand(5, 3)
    assert torch.equal(Dropout(p).eval()(x), x)


@pytest.mark.parametrize("p", [1e-9, 1 - 1e-9])
def test_shares_next_to_none_and_all_stay_finite(p: float) -> None:
    assert torch.isfinite(Dropout(p)(torch.ones(100, 100))).all()


def test_a_view_with_gaps_is_dropped_too() -> None:
    x = torch.ones(100, 100)[:, ::2]
    out = Dropout(0.5)(x)
    assert set(out.unique().tolist()) == {0.0, 2.0}


def test_half_precision_stays_half() -> None:
    assert Dropout(0.5)(torch.ones(10, dtype=torch.bfloat16)).dtype == torch.bfloat16
