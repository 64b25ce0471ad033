"""Optimizers and learning-rate schedules, from a TrainingConfig."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from nets.custom import Custom
from nets.custom_optimizer import make_custom_optimizer
from nets.custom_schedule import CustomSchedule
from nets.torch_private import leave_out_compiler
from nets.training import TrainingConfig

_ONE_CYCLE_WARMUP = 0.3
_ONE_CYCLE_START = 1 / 25
_ONE_CYCLE_END = 1 / 25e4


def make_optimizer(
    parameters: Iterable[nn.Parameter],
    config: TrainingConfig,
    factor: Callable[[nn.Parameter], float] = lambda _: 1.0,
) -> torch.optim.Optimizer:
    """The optimizer over all of `parameters` that can be trained.

    Args:
        factor: what the learning rate of a parameter is multiplied by.

    Weight decay acts on matrices and kernels only: shrinking biases and normalisation scales buys
    nothing and costs accuracy (He et al. 2019, "Bag of tricks", section 3.1).

    Raises:
        UntrustedCodeError, ConfigError: as `make_custom_optimizer`.
    """
    leave_out_compiler()
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    groups: list[dict[str, Any]] = []
    for each in sorted({factor(p) for p in trained}):
        more = {} if each == 1 else {"rate_factor": each}
        here = [p for p in trained if factor(p) == each]
        decayed, others = [p for p in here if p.ndim > 1], [p for p in here if p.ndim <= 1]
        groups.append({"params": decayed, "weight_decay": config.weight_decay, **more})
        groups.append({"params": others, "weight_decay": 0.0, **more})
    groups = [group for group in groups if group["params"]]
    rate, momentum = config.learning_rate, config.momentum
    fused = all(p.device.type in ("cpu", "cuda") for p in trained)
    # PyTorch 2.13's fused SGD fails where some parameters take their first step later than others.
    together = fused and not any(config.freeze.values())
    if isinstance(config.optimizer, Custom):
        decays = config.weight_decay > 0
        return make_custom_optimizer(
            config.optimizer, groups, rate=rate, decays=decays, fused=together
        )
    if config.optimizer == "sgd":
        nesterov = config.nesterov and momentum > 0
        return torch.optim.SGD(groups, rate, momentum=momentum, nesterov=nesterov, fused=together)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, rate, betas=(momentum, 0.999), fused=fused)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, rate, betas=(momentum, 0.999), fused=fused)
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(groups, rate)
    return torch.optim.RMSprop(groups, rate, momentum=momentum)


def make_rates(
    config: TrainingConfig, num_steps: int, steps_per_epoch: int = 1
) -> Callable[[int], float]:
    """The learning rate of each step, from 0.

    Raises:
        UntrustedCodeError, ConfigError: as `CustomSchedule`; or it fails before the last step.
    """
    if not isinstance(config.schedule, Custom):
        return functools.partial(learning_rate, config, num_steps=num_steps)
    warm = math.ceil((config.warmup or 0.0) * num_steps)
    stride = steps_per_epoch if config.schedule_every == "epoch" else 1
    length = max(1, math.ceil((num_steps - warm) / stride))
    schedule = CustomSchedule(config.schedule, config.learning_rate, length)

    def rate(step: int) -> float:
        if step < warm:
            return schedule(0) * (step + 1) / (warm + 1)
        return schedule((step - warm) // stride)

    schedule.check()
    return rate


def learning_rate(config: TrainingConfig, step: int, num_steps: int) -> float:
    """The learning rate of step `step` (from 0) of `num_steps`, by a schedule that ships.

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
