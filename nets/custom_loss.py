"""A loss of a person's own: called with what it can rely on, and tried on a few rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nets.custom import Custom
from nets.custom_errors import cannot_be_made, fails, signature_of
from nets.custom_field import name_of
from nets.custom_signature import given_to
from nets.errors import ConfigError
from nets.task import Task

_ROWS = 5


class CustomLoss:
    """`Custom(focal, gamma=1.5)`: outputs and targets in, the loss of each row out, (B,).

    A function gives (B,). A `torch.nn.Module` with `reduction="none"` may give a loss of each output
    too: a row's loss is their mean.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: its signature does not fit, or a module cannot be made or has weights to learn.
    """

    def __init__(self, config: Custom, device: torch.device | str = "cpu") -> None:
        self.config = config
        self.name = name_of(config)
        self._is_module = inspect.isclass(config.part)
        self._call = self._make(device)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each row, (B,), in the type of the outputs.

        Args:
            outputs: (B, classes) logits, or values (B, ...).
            targets: (B,) int64, or as many values as the outputs; the loss gets them in their shape.

        Raises:
            ConfigError: another number of values, or what the loss gives is not (B,).
        """
        if targets.is_floating_point():
            if targets.numel() != outputs.numel():
                raise ConfigError(
                    f"loss {self.name} gets a value for each output: got {tuple(outputs.shape)} outputs "
                    f"for labels of shape {tuple(targets.shape)}."
                )
            targets = targets.to(outputs.dtype).reshape(outputs.shape)
        losses = self._call(outputs, targets)
        if self._is_module and isinstance(losses, Tensor) and losses.shape == outputs.shape:
            losses = losses.flatten(1).mean(1)
        if not isinstance(losses, Tensor) or losses.shape != (len(outputs),):
            raise ConfigError(self._describe_shape(losses, len(outputs)))
        return losses.to(outputs.dtype)

    def _make(self, device: torch.device | str) -> Callable[..., Any]:
        part = self.config.part
        if not self._is_module:
            if len(given_to(part)) != 2:
                raise ConfigError(
                    f"a loss takes `outputs` and `targets` first, then its settings by name: "
                    f"{self.name}(outputs, targets, *, gamma=2.0). {self.name} takes "
                    f"{signature_of(part)}."
                )
            return functools.partial(part, **self.config.arguments)
        if not issubclass(part, nn.Module):  # type: ignore[arg-type]
            raise ConfigError(
                f"a loss is a function {self.name}(outputs, targets, *, ...) or a torch.nn.Module, got "
                f"the class {self.name}."
            )
        try:
            module: nn.Module = part(**self.config.arguments)
        except Exception as error:
            raise cannot_be_made("loss", self.config, error) from error
        if any(True for _ in module.parameters()):
            raise ConfigError(
                f"loss {self.name} has weights of its own, which no optimizer trains. Put them into "
                "the net, or make them buffers."
            )
        return module.to(device)

    def _describe_shape(self, losses: Any, rows: int) -> str:
        if not isinstance(losses, Tensor):
            return (
                f"loss {self.name} must return a tensor ({rows},) for {rows} rows, one loss for each, "
                f"got {type(losses).__name__}."
            )
        way_out = "Take the mean over a row's outputs, .flatten(1).mean(1)."
        if losses.ndim == 0:
            way_out = 'Leave out the mean over the rows (of a part of torch: reduction="none").'
        elif losses.shape[0] != rows:
            way_out = "Sum over the outputs, not over the rows."
        return (
            f"loss {self.name} must return one loss for each row, ({rows},) for {rows} rows, because "
            f"rows are weighted by class, weight and worker, got {tuple(losses.shape)}. {way_out}"
        )


def try_loss(config: Custom, task: Task, output: tuple[int, ...], *, guessed: bool = False) -> None:
    """A few made-up rows through the loss and back.

    Args:
        output: shape of a row's output: (classes,), (values,), or that of a sample to reconstruct.
        guessed: the task or the shape is not known yet: a loss that fails is not refused, as it may be
            right for others.

    Raises:
        UntrustedCodeError: its code is not loaded here.
        ConfigError: as `CustomLoss`; or it fails, its losses are not finite, or they have no gradient.
    """
    loss = CustomLoss(config)
    outputs, targets = make_rows(task, output)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        try:
            losses, slope = _differentiate(loss, outputs, targets)
            # A loss that forgives small errors has a slope at large ones.
            if not (
                slope.any() or (not task.has_classes and _has_slope(loss, 100 * outputs, targets))
            ):
                raise ConfigError(
                    f"the gradient of loss {loss.name} is 0 for {describe_rows(outputs, targets)}, so nothing "
                    f"can be learned. This net learns {task}: is the loss for that?"
                )
        except ConfigError:
            raise
        except Exception as error:
            if guessed:
                return
            raise fails("loss", config, f"on {describe_rows(outputs, targets)}", error) from error
    if not losses.isfinite().all() or not slope.isfinite().all():
        raise ConfigError(
            f"loss {loss.name} must be finite, as its gradient, got losses {losses.tolist()} for "
            f"{describe_rows(outputs, targets)}."
        )


def make_rows(task: Task, output: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Outputs and targets of a few rows, as many as no side of an output."""
    rows = _ROWS if _ROWS not in output else _ROWS + max(output)
    generator = torch.Generator().manual_seed(0)
    # Values above 0: a loss may be for these alone, as one of their logarithm.
    outputs = torch.rand(rows, *output, generator=generator) + 0.1
    if task.has_classes:
        return outputs.log(), torch.arange(rows) % output[0]
    return outputs, torch.rand(rows, *output, generator=generator) + 0.1


def _has_slope(loss: CustomLoss, outputs: Tensor, targets: Tensor) -> bool:
    return bool(_differentiate(loss, outputs, targets)[1].any())


def _differentiate(loss: CustomLoss, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The losses, and the gradient of their sum, in the shape of the outputs."""
    outputs = outputs.detach().requires_grad_()
    losses = loss(outputs, targets)
    if not losses.requires_grad:
        raise ConfigError(
            f"loss {loss.name} has no gradient, so nothing can be learned. Compute it from the outputs "
            "by operations of torch, without detach, no_grad, item or argmax."
        )
    (slope,) = torch.autograd.grad(losses.sum(), outputs, allow_unused=True)
    return losses.detach(), torch.zeros_like(outputs) if slope is None else slope


def describe_rows(outputs: Tensor, targets: Tensor) -> str:
    """Their number and shapes, for a message."""
    what = "values" if targets.is_floating_point() else "classes"
    rows = len(outputs)
    return f"{rows} rows of outputs {tuple(outputs.shape)} and {what} {tuple(targets.shape)}"
