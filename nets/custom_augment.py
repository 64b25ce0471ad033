"""An augmentation of a person's own: a function of a training batch, or an object that is called with it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nets.custom import Custom
from nets.custom_errors import cannot_be_made, fails, signature_of
from nets.custom_field import name_of
from nets.custom_signature import given_to
from nets.errors import ConfigError
from nets.spec import TensorSpec

_ROWS = 4


class CustomAugment:
    """`Custom(noise, strength=0.1)`: raw rows in, (B, *shape), as many and as large ones out.

    A function gets `features`, or `features` and `length`. A class, such as one of
    `torchvision.transforms.v2`, is made once and called with `features`.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: its signature does not fit, it cannot be made, it fails on a few rows, or what it
            gives has another shape.
    """

    def __init__(self, config: Custom, spec: TensorSpec) -> None:
        self.config, self.name = config, name_of(config)
        self._takes_length = False
        self._call = self._make()
        rows = torch.zeros(_ROWS, *spec.shape, dtype=getattr(torch, spec.dtype))
        varies = spec.kind in ("series", "tokens")
        length = torch.full((_ROWS,), spec.shape[0]) if varies else None
        with torch.random.fork_rng(devices=[]):
            self(rows, length)

    def __call__(self, features: Tensor, length: Tensor | None) -> Tensor:
        """The varied rows, in the type of `features`: of whole numbers they are rounded."""
        try:
            out = self._call(features, length) if self._takes_length else self._call(features)
        except Exception as error:
            rows = f"on {len(features)} rows {tuple(features.shape)} of {features.dtype}"
            raise fails("augmentation", self.config, rows, error) from error
        if not isinstance(out, Tensor) or out.shape != features.shape:
            shape = f" {tuple(out.shape)}" if isinstance(out, Tensor) else ""
            raise ConfigError(
                f"augmentation {self.name} must return a tensor {tuple(features.shape)}, as the rows it "
                f"gets, got {type(out).__name__}{shape}."
            )
        if out.is_floating_point() and not features.is_floating_point():
            limits = torch.iinfo(features.dtype)
            out = out.round().clamp(limits.min, limits.max)
        return out.to(features.dtype)

    def _make(self) -> Callable[..., Any]:
        part = self.config.part
        if inspect.isclass(part):
            try:
                made = part(**self.config.arguments)
            except Exception as error:
                raise cannot_be_made("augmentation", self.config, error) from error
            if not callable(made):
                raise ConfigError(
                    f"augmentation {self.name} must have __call__(self, features), and it has not."
                )
            return made
        given = given_to(part)
        if not given:
            raise ConfigError(
                f"an augmentation takes `features` first, or `features` and `length`, then its settings "
                f"by name: {self.name}(features, *, strength=0.1). {self.name} takes "
                f"{signature_of(part)}."
            )
        self._takes_length = len(given) == 2
        return functools.partial(part, **self.config.arguments)
