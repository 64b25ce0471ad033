"""A schedule of a person's own, or one of torch's: the learning rate at each position of a training."""

from __future__ import annotations

import inspect
import math

import torch
from torch import nn

from nets.custom import Custom
from nets.custom_errors import cannot_be_made, fails, signature_of
from nets.custom_field import name_of
from nets.custom_signature import given_to, takes
from nets.errors import ConfigError

_LOOKS = 1000
"""Positions that are tried before the training."""
_Scheduler = torch.optim.lr_scheduler.LRScheduler


class CustomSchedule:
    """`Custom(StepLR, step_size=10)`: positions in, learning rates out.

    A class of `torch.optim.lr_scheduler` is made over an optimizer of its own, and stepped from the
    beginning: so its rates follow from the position alone, also where a training is resumed. A function
    `f(position, length, *, ...)` gives a factor of `training.learning_rate`.

    Args:
        peak: `training.learning_rate`.
        length: positions of the whole training.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: it is no schedule of the position, or cannot be made.
    """

    def __init__(self, config: Custom, peak: float, length: int) -> None:
        self.config, self._peak, self._length = config, peak, length
        self.name = name_of(config)
        self._rates: list[float] = []
        self._scheduler: _Scheduler | None = None
        if inspect.isclass(config.part):
            self._scheduler = self._make()
        elif len(given_to(config.part)) != 2:
            raise ConfigError(
                f"a schedule takes `position` and `length` first, then its settings by name: "
                f"{self.name}(position, length, *, power=2.0). {self.name} takes "
                f"{signature_of(config.part)}."
            )

    def __call__(self, position: int) -> float:
        """The learning rate at a position, from 0; the last one after the end.

        Raises:
            ConfigError: it fails, or what it gives is no rate.
        """
        position = min(position, self._length - 1)
        if self._scheduler is None:
            return self._check(self._call(position), position)
        while len(self._rates) <= position:
            if self._rates:
                self._step(len(self._rates))
            rate = self._scheduler.optimizer.param_groups[0]["lr"]
            self._rates.append(self._check(rate, len(self._rates)))
        return self._rates[position]

    def check(self) -> None:
        """Look at rates from the beginning to the end: what fails, fails before the first step.

        Raises:
            ConfigError: as when it is called.
        """
        for position in range(0, self._length, max(1, self._length // _LOOKS)):
            self(position)
        self(self._length - 1)

    def _make(self) -> _Scheduler:
        part = self.config.part
        if not issubclass(part, _Scheduler):  # type: ignore[arg-type]
            raise ConfigError(
                f"a schedule is a class of torch.optim.lr_scheduler, or a function {self.name}(position, "
                f"length, *, ...) that gives a factor of the rate; got the class {self.name}."
            )
        if "metrics" in inspect.signature(part.step).parameters:  # type: ignore[attr-defined]
            raise ConfigError(
                f"schedule {self.name} follows a metric, and a schedule here is of the position alone, so "
                "that a resumed training has the same rates. Use training.patience, or another schedule."
            )
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], self._peak)
        given = {"cycle_momentum": False} if takes(part, "cycle_momentum") else {}
        try:
            made: _Scheduler = part(optimizer, **given, **self.config.arguments)
        except Exception as error:
            raise cannot_be_made("schedule", self.config, error) from error
        return made

    def _step(self, position: int) -> None:
        assert self._scheduler is not None
        try:
            self._scheduler.optimizer.step()
            self._scheduler.step()
        except Exception as error:
            raise self._explain(position, error) from error

    def _call(self, position: int) -> float:
        try:
            return self._peak * float(
                self.config.part(position, self._length, **self.config.arguments)
            )
        except Exception as error:
            raise self._explain(position, error) from error

    def _explain(self, position: int, error: Exception) -> ConfigError:
        on = f"at position {position} of {self._length} (from 0)"
        return fails("schedule", self.config, on, error)

    def _check(self, rate: object, position: int) -> float:
        value = float(rate)  # type: ignore[arg-type]
        if not math.isfinite(value) or value < 0:
            raise ConfigError(
                f"schedule {self.name} must give learning rates of at least 0, got {value} at position "
                f"{position} of {self._length}."
            )
        return value
