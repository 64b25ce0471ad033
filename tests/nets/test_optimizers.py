from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from torch import nn

from nets import CNNConfig, TensorSpec, build
from nets.fit import Batch, Fit
from nets.optimizers import learning_rate, make_optimizer
from nets.training import Optimizer, TrainingConfig

REFERENCES: dict[str, Any] = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.8, nesterov=True, weight_decay=0.01),
    "adam": lambda p: torch.optim.Adam(p, 0.05, betas=(0.8, 0.999), weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, 0.05, betas=(0.8, 0.999), weight_decay=0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.05, weight_decay=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.05, momentum=0.8, weight_decay=0.01),
}


def descend(make: Any, steps: int = 5) -> list[float]:
    """Minimise a bowl in float64 from a fixed start."""
    weight = nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64))
    optimizer = make([weight])
    for _ in range(steps):
        optimizer.zero_grad()
        (weight**2 * torch.tensor([[1.0, 0.2], [3.0, 0.1]])).sum().backward()
        optimizer.step()
    return [float(value) for value in weight.detach().flatten()]


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_optimizers_are_torchs_with_our_settings(name: Optimizer) -> None:
    config = TrainingConfig(optimizer=name, learning_rate=0.05, momentum=0.8, weight_decay=0.01)
    ours = descend(lambda parameters: make_optimizer(parameters, config))
    assert ours == pytest.approx(descend(REFERENCES[name]), rel=1e-9)


def test_fused_steps_respect_the_channels_last_layout() -> None:
    def trained(layout: torch.memory_format) -> torch.Tensor:
        torch.manual_seed(0)
        conv = nn.Conv2d(3, 4, 3).to(memory_format=layout)  # type: ignore[call-overload]
        optimizer = make_optimizer(conv.parameters(), TrainingConfig(learning_rate=0.1))
        x = torch.randn(2, 3, 6, 6)
        for _ in range(3):
            optimizer.zero_grad()
            conv(x).square().sum().backward()
            optimizer.step()
        return conv.weight.detach().contiguous()

    plain, last = trained(torch.contiguous_format), trained(torch.channels_last)
    assert torch.allclose(plain, last, atol=1e-5)


def test_weight_decay_leaves_biases_and_norms_alone() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    groups = make_optimizer(net.parameters(), TrainingConfig(weight_decay=0.1)).param_groups
    decayed = {p.ndim for group in groups if group["weight_decay"] for p in group["params"]}
    spared = {p.ndim for group in groups if not group["weight_decay"] for p in group["params"]}
    assert (decayed, spared) == ({2}, {1})


def test_frozen_parameters_are_left_out() -> None:
    net = nn.Linear(3, 4)
    net.bias.requires_grad_(False)
    groups = make_optimizer(net.parameters(), TrainingConfig()).param_groups
    assert [p.shape for group in groups for p in group["params"]] == [net.weight.shape]


def rates(config: TrainingConfig, steps: int) -> list[float]:
    return [learning_rate(config, step, steps) for step in range(steps)]


def torchs(make: Any, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.4)
    scheduler, found = make(optimizer), []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("steps", [2, 7, 50])
def test_cosine_is_torchs(steps: int) -> None:
    config = TrainingConfig(learning_rate=0.4, schedule="cosine")
    reference = torchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps), steps)
    assert rates(config, steps) == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize("warmup", [None, 0.1, 0.5])
@pytest.mark.parametrize("steps", [12, 57])
def test_one_cycle_is_torchs(steps: int, warmup: float | None) -> None:
    config = TrainingConfig(learning_rate=0.4, schedule="one_cycle", warmup=warmup)
    reference = torchs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, 0.4, steps, pct_start=0.3 if warmup is None else warmup, cycle_momentum=False
        ),
        steps,
    )
    assert rates(config, steps) == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
@pytest.mark.parametrize("warmup", [None, 0.0, 0.25, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 3, 40])
def test_rates_stay_within_bounds_and_past_the_end(
    schedule: Any, warmup: float | None, steps: int
) -> None:
    config = TrainingConfig(learning_rate=0.4, schedule=schedule, warmup=warmup)
    found = [learning_rate(config, step, steps) for step in range(steps + 3)]
    assert all(0 < rate <= 0.4 and math.isfinite(rate) for rate in found)
    assert found[steps:] == pytest.approx([found[steps - 1]] * 3)


def test_warmup_rises_to_the_full_rate() -> None:
    config = TrainingConfig(learning_rate=1.0, schedule="constant", warmup=0.4)
    assert rates(config, 10) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_a_training_step_calls_the_optimizers_hooks(name: Optimizer) -> None:
    config = TrainingConfig(optimizer=name)
    net = build(CNNConfig(), TensorSpec(kind="image", shape=(1, 8, 8)), 3)
    fit = Fit(net, config, steps_per_epoch=2)
    calls: list[str] = []
    fit.optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    fit.optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    fit.train_epoch([Batch(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))] * 2)
    assert calls == ["before", "after"] * 2
