"""From losses of batches to changed weights: gradients are added up, corrected, and a step is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nets.averaging import Averages
from nets.layer_rules import LayerRules
from nets.precision import Precision
from nets.step_profile import StepProfile
from nets.training import TrainingConfig

_NORM_EVERY = 8
"""Changes of the weights between samples of the gradient's norm, when it isn't computed anyway for
clipping."""


class Descent:
    """Changes the weights of a net once for every `config.accumulate` batches.

    The gradient is that of the mean over all rows of these batches, each with its weight: as if they
    were one batch, also where the last one is smaller.
    """

    def __init__(
        self,
        config: TrainingConfig,
        optimizer: torch.optim.Optimizer,
        parameters: Sequence[nn.Parameter],
        layers: LayerRules,
        precision: Precision,
        averages: Averages | None,
        profile: StepProfile,
    ) -> None:
        """
        Args:
            parameters: those that are trained.
        """
        self._config, self._optimizer, self._trained = config, optimizer, parameters
        self._layers = layers
        self._precision, self._averages, self._profile = precision, averages, profile
        self._batches = 0
        """Batches that are added up and not yet used."""
        self._weight: Tensor | float = 0.0
        """Of their rows together."""
        self._scale = 1.0
        """What the gradients in the parameters are divided by, in place of `_weight`."""

    def add(
        self, loss: Tensor, weight: Tensor | float, rows: int, *, left: int, epoch: int, step: int
    ) -> Tensor | None:
        """Add the gradient of a batch's loss, and change the weights once enough batches are added.

        Args:
            loss: mean over the rows, ().
            weight: of the rows together, over all workers; their number where all count the same.
            rows: their number.
            left: batches that are left of the epoch, this one among them.
            epoch, step: from 0.

        Returns:
            The gradient's norm, (), where it was computed.
        """
        every = self._config.accumulate
        if self._batches == 0:
            self._optimizer.zero_grad(set_to_none=True)
        if every == 1:
            with self._profile.part("backward"):
                self._precision.backward(loss)
            return self._finish(epoch, step)
        if self._batches == 0:
            self._scale, self._weight = float(min(every, left) * rows), 0.0
        with self._profile.part("backward"):
            self._precision.backward(loss * (weight / self._scale))
        self._weight = self._weight + weight
        self._batches += 1
        if self._batches < min(every, self._batches + left - 1):
            return None
        return self._finish(epoch, step)

    def finish(self, epoch: int, step: int) -> None:
        """Use what is added up, if anything: the training ends here."""
        if self._batches:
            self._finish(epoch, step)

    def _finish(self, epoch: int, step: int) -> Tensor | None:
        with self._profile.part("step"):
            return self._change_weights(epoch, step)

    def _change_weights(self, epoch: int, step: int) -> Tensor | None:
        self._precision.unscale()
        if self._batches:
            self._correct()
        self._batches = 0
        self._layers.drop_gradients(epoch)
        norm = self._norm(step)
        self._precision.step()
        if self._averages is not None:
            self._averages.end_step()
        return None if norm is None else self._precision.mark_left_out(norm)

    @torch.no_grad()
    def _correct(self) -> None:
        """Divide the gradients by the weight of the rows that came."""
        if self._weight == self._scale:
            return
        weight = torch.as_tensor(self._weight, dtype=torch.float32)
        factor = self._scale / weight.clamp(min=torch.finfo(weight.dtype).tiny)
        for parameter in self._trained:
            if parameter.grad is not None:
                parameter.grad *= factor.to(parameter.grad.device)

    def _norm(self, step: int) -> Tensor | None:
        if self._config.clip_norm is not None:
            return nn.utils.clip_grad_norm_(self._trained, self._config.clip_norm)
        if step // self._config.accumulate % _NORM_EVERY == 0:
            return nn.utils.get_total_norm([p.grad for p in self._trained if p.grad is not None])
        return None

    @property
    def is_between(self) -> bool:
        """Whether nothing is added up that is not yet used."""
        return self._batches == 0

    def state_dict(self) -> dict[str, Any]:
        """What is added up; nothing between two changes of the weights."""
        if self.is_between:
            return {}
        return {
            "batches": self._batches,
            "weight": self._weight,
            "scale": self._scale,
            "gradients": [None if p.grad is None else p.grad.clone() for p in self._trained],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave."""
        if not state:
            return
        self._batches, self._scale = int(state["batches"]), float(state["scale"])
        self._weight = state["weight"]
        for parameter, gradient in zip(self._trained, state["gradients"], strict=True):
            parameter.grad = gradient
