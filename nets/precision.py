"""The number type a net computes in during training, and the scaling that float16 needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nets.torch_private import make_step
from nets.training import TrainingConfig

_FIRST_SCALE = 2.0**10
"""PyTorch starts at 2**16, and leaves out a short training's first steps until that has halved enough."""


def autocast_dtype(config: TrainingConfig, device: torch.device) -> torch.dtype | None:
    """The type the forward pass is computed in, None for float32.

    auto stays with float32 on CPUs: on one with AVX-512 BF16, bfloat16 trained a residual net 1.9
    times as fast but small nets 0.8 to 0.9 times, and where it has to be emulated it only costs.
    """
    named = {"bfloat16": torch.bfloat16, "float16": torch.float16}
    if config.precision != "auto":
        return named.get(config.precision)
    on_gpu = device.type == "cuda"
    if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return None


class Precision:
    """The forward pass, the backward pass and the step of a training, in its number type.

    A gradient of float16 below 6e-8 is 0. So its loss is multiplied by a factor first, and the
    gradients are divided by it before they are used; a step whose gradients are too large for
    float16 is left out, and the factor halved (Micikevicius et al. 2018, "Mixed precision training").
    """

    def __init__(
        self, config: TrainingConfig, device: torch.device, optimizer: torch.optim.Optimizer
    ) -> None:
        self._device, self._optimizer = device, optimizer
        self._dtype = autocast_dtype(config, device)
        self._step: Callable[[], object] = make_step(optimizer)
        self._scaler = (
            torch.amp.GradScaler(device.type, init_scale=_FIRST_SCALE)
            if self._dtype is torch.float16
            else None
        )

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The forward pass goes inside."""
        if self._dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, self._dtype)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of the loss, (), to those in the parameters."""
        if self._scaler is None:
            loss.backward()
            return
        self._scaler.scale(loss).backward()

    def unscale(self) -> None:
        """Make the gradients those of the loss itself, before they are used; once for each step."""
        if self._scaler is not None:
            self._scaler.unscale_(self._optimizer)

    def step(self) -> None:
        """Change the parameters, unless a gradient of float16 was too large."""
        if self._scaler is None:
            self._step()
            return
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def mark_left_out(self, norm: Tensor) -> Tensor:
        """The gradient's norm, (); -1 where it is infinite because the step is left out."""
        return norm if self._scaler is None else torch.where(norm.isfinite(), norm, -1.0)

    def state_dict(self) -> dict[str, Any]:
        """What a training that goes on needs."""
        return {} if self._scaler is None else self._scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the scale of an earlier training."""
        if self._scaler is not None and state:
            self._scaler.load_state_dict(dict(state))
