"""Optimizers and schedules by their names in torch: `NAdam`, or `{"name": "StepLR", "step_size": 10}`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch.optim.lr_scheduler
from pydantic import ValidatorFunctionWrapHandler
from pydantic.functional_validators import WrapValidator

from nets.config import unknown
from nets.custom import Custom
from nets.custom_field import validate
from nets.errors import ConfigError


def by_name(what: str, shipped: tuple[str, ...], module: ModuleType, base: type) -> WrapValidator:
    """Beside the names that ship in an `Annotated`: a class of `module` by its name, or a `Custom`.

    Args:
        what: what it is, for messages.
        shipped: the names that ship.
        base: what the classes derive from.
    """
    classes = {
        name: each
        for name, each in vars(module).items()
        if inspect.isclass(each)
        and issubclass(each, base)
        and each is not base
        and not name.startswith("_")
    }

    def check(value: Any, others: ValidatorFunctionWrapHandler) -> Any:
        arguments: dict[str, Any] = {}
        name = value
        if isinstance(value, Mapping) and "name" in value and "kind" not in value:
            name, arguments = value["name"], {k: v for k, v in value.items() if k != "name"}
        if isinstance(name, str) and name in classes:
            return Custom(classes[name], **arguments)
        if isinstance(name, str) and (name not in shipped or arguments):
            raise ConfigError(unknown(what, name, [*shipped, *sorted(classes)]))
        return validate(value, others)

    return WrapValidator(check)


OPTIMIZERS = ("sgd", "adam", "adamw", "adagrad", "rmsprop")
SCHEDULES = ("constant", "cosine", "one_cycle")
OPTIMIZER_BY_NAME = by_name("optimizer", OPTIMIZERS, torch.optim, torch.optim.Optimizer)
SCHEDULE_BY_NAME = by_name(
    "schedule", SCHEDULES, torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler
)
