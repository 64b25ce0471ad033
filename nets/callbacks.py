"""A person's own callbacks: objects whose methods run at a few named moments of a training.

At each moment the callbacks run in the order in which `training.callbacks` names them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from nets.config import unknown
from nets.custom import Custom
from nets.custom_errors import cannot_be_made, fails, signature_of
from nets.custom_field import name_of
from nets.errors import ConfigError

MOMENTS: dict[str, tuple[str, ...]] = {
    "on_train_start": ("fit",),
    "on_epoch_start": ("fit",),
    "on_step_end": ("fit", "loss"),
    "on_epoch_end": ("fit", "metrics"),
    "on_train_end": ("fit",),
}
"""The moments in the order they come, and what a method gets."""


class Callbacks:
    """`(Custom(MyCallback, every=10),)` as objects, one of each.

    Raises:
        UntrustedCodeError: the code of one is not loaded here.
        ConfigError: one is no class, cannot be made, or has no method for a moment.
    """

    def __init__(self, callbacks: Sequence[Custom]) -> None:
        self._all = [(config, _make(config)) for config in callbacks]
        self._started = False

    def __bool__(self) -> bool:
        return bool(self._all)

    def start_steps(self, fit: Any) -> None:
        """Before the next steps: the moments of the training's and of an epoch's beginning."""
        if not self._started:
            self._call("on_train_start", fit, fit)
        self._started = True
        if fit.step == 0:
            self._call("on_epoch_start", fit, fit)

    def end_step(self, fit: Any, loss: Tensor) -> None:
        """After a step. Reading the loss, (), makes the host wait for the device."""
        self._call("on_step_end", fit, fit, loss)

    def end_epoch(self, fit: Any, metrics: dict[str, float]) -> dict[str, float]:
        """After an epoch and its evaluation.

        Returns:
            `metrics` with those that callbacks returned.

        Raises:
            ConfigError: a callback fails, or returns something else than numbers by name.
        """
        for config, each in self._all:
            made = self._call_one(config, each, "on_epoch_end", fit, fit, dict(metrics))
            metrics = metrics | _check_metrics(config, made, metrics)
        return metrics

    def end(self, fit: Any) -> None:
        """After the last epoch."""
        self._call("on_train_end", fit, fit)

    def state_dict(self) -> list[Any]:
        """What each callback has to save, if it has `state_dict`: tensors, numbers and texts."""
        return [each.state_dict() if hasattr(each, "state_dict") else None for _, each in self._all]

    def load_state_dict(self, state: Sequence[Any]) -> None:
        """Continue from what `state_dict` gave."""
        for (_, each), values in zip(self._all, state, strict=False):
            if values is not None:
                each.load_state_dict(values)

    def _call(self, moment: str, fit: Any, *args: Any) -> None:
        for config, each in self._all:
            self._call_one(config, each, moment, fit, *args)

    def _call_one(self, config: Custom, each: Any, moment: str, fit: Any, *args: Any) -> Any:
        method = getattr(each, moment, None)
        if method is None:
            return None
        try:
            return method(*args)
        except Exception as error:
            where = f"at {moment} in epoch {max(fit.epoch, 1)}"
            if moment in ("on_epoch_start", "on_step_end"):
                where = f"at {moment} in epoch {fit.epoch + 1}, step {fit.step}"
            raise fails("callback", config, where, error) from error


def _make(config: Custom) -> Any:
    part, name = config.part, name_of(config)
    if not inspect.isclass(part):
        raise ConfigError(
            f"a callback is a class with methods for some of {', '.join(MOMENTS)}; got the function {name}."
        )
    for method in (each for each in dir(part) if each.startswith("on_")):
        if method not in MOMENTS:
            raise ConfigError(f"callback {name}: {unknown('moment', method, list(MOMENTS))}")
        gets = MOMENTS[method]
        try:
            inspect.signature(getattr(part, method)).bind(None, *gets)
        except TypeError:
            raise ConfigError(
                f"{method} of callback {name} must be {method}(self, {', '.join(gets)}), got "
                f"{method}{signature_of(getattr(part, method))}."
            ) from None
    if not any(hasattr(part, moment) for moment in MOMENTS):
        raise ConfigError(
            f"callback {name} has no method for a moment of a training. Give it one of "
            f"{', '.join(MOMENTS)}."
        )
    try:
        return part(**config.arguments)
    except Exception as error:
        raise cannot_be_made("callback", config, error) from error


def _check_metrics(config: Custom, made: Any, metrics: Mapping[str, float]) -> dict[str, float]:
    if made is None:
        return {}
    name = name_of(config)
    try:
        numbers = {str(key): float(value) for key, value in made.items()}
    except (AttributeError, TypeError, ValueError, RuntimeError):
        raise ConfigError(
            f"on_epoch_end of callback {name} must return nothing, or numbers by name as "
            f'{{"own/value": 0.5}}, got {made!r}.'
        ) from None
    if taken := sorted(set(numbers) & set(metrics)):
        raise ConfigError(
            f"on_epoch_end of callback {name} returns metrics that there are already: "
            f"{', '.join(taken)}. Give them names of their own."
        )
    return numbers
