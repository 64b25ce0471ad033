"""Optimizers and learning-rate schedules, from a TrainingConfig."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from nets.torch_private import leave_out_compiler
from nets.training import TrainingConfig

_ONE_CYCLE_WARMUP = 0.3
_ONE_CYCLE_START = 1 / 25
_ONE_CYCLE_END = 1 / 25e4


def make_optimizer(
    parameters: Iterable[nn.Parameter], config: TrainingConfig
) -> torch.optim.Optimizer:
    """The optimizer over all of `parameters` that can be trained.

    Weight decay acts on matrices and kernels only: shrinking biases and normalisation scales buys
    nothing and costs accuracy (He et al. 2019, "Bag of tricks", section 3.1).
    """
    leave_out_compiler()
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    rate, momentum = config.learning_rate, config.momentum
    fused = all(p.device.type in ("cpu", "cuda") for p in trained)
    if config.optimizer == "sgd":
        nesterov = config.nesterov and momentum > 0
        return torch.optim.SGD(groups, rate, momentum=momentum, nesterov=nesterov, fused=fused)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, rate, betas=(momentum, 0.999), fused=fused)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, betas=(momentum, 0.999), fused=fused)
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(groups, rate)
    return torch.optim.RMSprop(groups, rate, momentum=momentum)


def learning_rate(config: TrainingConfig, step: int, num_steps: int) -> float:
    """The learning rate of step `step` (from 0) of `num_steps`.

    A pure function of the position in the run, so that a resumed run continues it. cosine:
    Loshchilov and Hutter (2017), without restarts. one_cycle: Smith and Topin (2018) with both
    halves a cosine from 1/25 of the highest rate, as in torch's OneCycleLR; momentum stays as it
    is. Steps past the end keep the last rate.
    """
    peak, step = config.learning_rate, min(step, num_steps - 1)
    if config.schedule == "one_cycle":
        return peak * _one_cycle(step, num_steps, config.warmup)
    warmup = (config.warmup or 0.0) * num_steps
    if step < warmup:
        return peak * (step + 1) / (math.ceil(warmup) + 1)
    if config.schedule == "constant":
        return peak
    position = (step - warmup) / max(num_steps - warmup, 1)
    return peak * _cosine(1.0, 0.0, position)


def _one_cycle(step: int, num_steps: int, warmup: float | None) -> float:
    last = max(num_steps - 1, 1)
    top = (_ONE_CYCLE_WARMUP if warmup is None else warmup) * num_steps - 1
    if step < top:
        return _cosine(_ONE_CYCLE_START, 1.0, step / top)
    return _cosine(1.0, _ONE_CYCLE_END, (step - top) / (last - top))


def _cosine(start: float, end: float, position: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2
