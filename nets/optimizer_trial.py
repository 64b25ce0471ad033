"""A trial of an optimizer of a person's own, before a training."""

from __future__ import annotations

import torch
from torch import nn

from nets.custom import Custom
from nets.custom_errors import fails
from nets.custom_field import name_of
from nets.errors import ConfigError
from nets.optimizers import make_optimizer
from nets.training import TrainingConfig


def try_optimizer(config: TrainingConfig) -> None:
    """A few steps of an own optimizer, on a matrix and a vector.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: as `make_custom_optimizer`; or a step fails, changes nothing, or gives values that
            are not finite.
    """
    assert isinstance(config.optimizer, Custom)
    name = name_of(config.optimizer)
    weights = [nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(3))]
    optimizer = make_optimizer(weights, config)
    try:
        with torch.random.fork_rng(devices=[]):
            for step in range(3):
                for each in weights:
                    each.grad = torch.full_like(each, 0.5 + step)
                optimizer.step()
    except Exception as error:
        on = "in a step on a matrix (2, 3) and a vector (3,)"
        raise fails("optimizer", config.optimizer, on, error) from error
    for each in weights:
        if not each.isfinite().all() or bool((each == 1).all()):
            what = (
                "changes nothing" if each.isfinite().all() else "gives values that are not finite"
            )
            raise ConfigError(
                f"optimizer {name} {what} in three steps at learning rate {config.learning_rate:g} on "
                f"parameters of shape {tuple(each.shape)}."
            )
