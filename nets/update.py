"""Norms of gradients, weights and updates, layer by layer: signs of health that cost little."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nets.torch_private import differences, norms


class LayerUpdates:
    """Norms of each layer over one epoch: create it before the epoch, call `measure` after it."""

    @torch.no_grad()
    def __init__(self, net: nn.Module) -> None:
        self.layers: dict[str, list[nn.Parameter]] = {}
        for name, parameter in net.named_parameters():
            if parameter.requires_grad:
                self.layers.setdefault(name.rpartition(".")[0], []).append(parameter)
        self._before = [parameter.detach().clone() for parameter in self._parameters()]

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Euclidean norms, by layer as in `net.named_modules()`.

        health/<layer>/gradient_norm: of the gradient the last step used, so after clipping.
        health/<layer>/weight_norm: of weights and biases together.
        health/<layer>/update_ratio: of their change over the epoch, as a share of the norm before.
        """
        parameters = self._parameters()
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        changes = differences(parameters, self._before)
        tables = (gradients, parameters, self._before, changes)
        squares = torch.stack([norms(tensors) for tensors in tables]).double().square()
        squares = squares.cpu()  # the one wait for the device
        metrics: dict[str, float] = {}
        first = 0
        for layer, owned in self.layers.items():
            sums = squares[:, first : first + len(owned)].sum(1).sqrt().tolist()
            gradient, weight, before, change = sums
            metrics[f"health/{layer}/gradient_norm"] = gradient
            metrics[f"health/{layer}/weight_norm"] = weight
            metrics[f"health/{layer}/update_ratio"] = change / before if before > 0 else 0.0
            first += len(owned)
        return metrics

    def _parameters(self) -> list[Tensor]:
        return [parameter for owned in self.layers.values() for parameter in owned]
