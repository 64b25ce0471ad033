"""An optimizer of torch by its name, or a person's own."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from nets.custom import Custom
from nets.custom_errors import cannot_be_made
from nets.custom_field import name_of
from nets.custom_signature import takes
from nets.errors import ConfigError


def make_custom_optimizer(
    config: Custom, groups: list[dict[str, Any]], *, rate: float, decays: bool, fused: bool
) -> torch.optim.Optimizer:
    """The optimizer of `config`.

    Args:
        groups: parameters with their `weight_decay`.
        rate: the learning rate.
        decays: whether `training.weight_decay` is above 0.
        fused: whether all parameters are where one operation can change them.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: it is no optimizer, or cannot be made for these parameters.
    """
    name, part = name_of(config), config.part
    make: Any = part
    if not inspect.isclass(part) or not issubclass(part, torch.optim.Optimizer):
        raise ConfigError(f"an optimizer is a class of torch.optim.Optimizer, got {name}.")
    if not takes(part, "lr"):
        raise ConfigError(f"optimizer {name} must take `lr`, which training.learning_rate gives.")
    closure = inspect.signature(part.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ConfigError(
            f"optimizer {name} computes the loss several times in a step (its `step` needs a closure), "
            "which training does not. Choose another training.optimizer."
        )
    if not takes(part, "weight_decay"):
        if decays:
            raise ConfigError(
                f"optimizer {name} has no weight decay. Set training.weight_decay to 0."
            )
        groups = [{k: v for k, v in group.items() if k != "weight_decay"} for group in groups]
    given = {"fused": True} if fused and takes(part, "fused") else {}
    try:
        made: torch.optim.Optimizer = make(groups, lr=rate, **given, **config.arguments)
    except Exception as error:
        raise cannot_be_made("optimizer", config, error) from error
    return made
