"""Is every unit of a net at work? Dead and saturated shares, distributions, and a verdict.

Dead: a rectifier that is zero for every sample (and position) it was shown gets no gradient from
any of them, the dying-ReLU problem (Maas et al. 2013; Lu et al. 2019).
Saturated: a sigmoid or tanh within 5 % of its asymptotes' distance on more than 95 % of what it
was shown; there its slope is below 0.05 (sigmoid) and 0.19 (tanh) of what it could be, which is
how Glorot & Bengio (2010) found deep sigmoid nets stop learning; bounds on the output rather than
on the input follow Rakitianskaia & Engelbrecht (2015).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from nets.inside.capture import observed, private, run

RECTIFIERS = ("ReLU", "ReLU6")
BOUNDS: dict[str, tuple[float, float]] = {
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Hardtanh": (-1.0, 1.0),
}
OTHERS = ("LeakyReLU", "ELU", "GELU", "SiLU", "Maxout", "PReLU", "SELU", "Softplus", "Mish")
RECURRENT = ("RNN", "LSTM", "GRU")
"""Their hidden states lie in (-1, 1), except those of an RNN with rectifiers."""
NEAR = 0.05
OFTEN = 0.95
_BINS = 64


@dataclass(frozen=True, kw_only=True)
class LayerHealth:
    """One activation layer on a set of samples. A unit is a feature map, or a dense unit."""

    layer: str
    activation: str
    """Name of the module's class; of a recurrent layer it is the hidden state that is looked at."""
    num_units: int
    num_samples: int
    dead_share: float | None
    """Share of units that are zero for every sample; None where the activation cannot die."""
    saturated_share: float | None
    """Share of saturated units; None where the activation has no asymptotes on both sides."""
    zero_share: float
    """Share of all values that are exactly zero: sparsity, not a fault."""
    mean: float
    std: float
    ill: tuple[int, ...]
    """Which units are dead or saturated."""
    counts: tuple[int, ...] = field(repr=False)
    """Histogram of the values."""
    edges: tuple[float, ...] = field(repr=False)


def activation_layers(net: nn.Module) -> dict[str, str]:
    """Name of each activation layer and what it computes, in the order of the module tree."""
    found = {}
    for name, module in net.named_modules():
        kind = type(module).__name__
        if kind in RECTIFIERS or kind in BOUNDS or kind in OTHERS or isinstance(module, nn.RNNBase):
            found[name] = kind
    return found


class _Tally:
    """Sums over batches of one layer's values."""

    def __init__(self, kind: str, recurrent: str) -> None:
        self.kind = kind
        rule = recurrent if kind in RECURRENT else kind
        self.bounds = BOUNDS.get(rule)
        self.rectifier = rule in RECTIFIERS
        self.values = self.zeros = 0
        self.total = self.squares = 0.0
        self.fired: Tensor | None = None
        self.near: Tensor | None = None
        self.per_unit = 0
        self.kept: list[Tensor] = []

    def add(self, output: Any) -> None:
        units = _by_unit(output)
        self.values += units.numel()
        self.per_unit += units.shape[1]
        self.zeros += int((units == 0).sum())
        self.total += float(units.sum(dtype=torch.float64))
        self.squares += float(units.double().square().sum())
        if self.rectifier:
            fired = (units > 0).any(dim=1)
            self.fired = fired if self.fired is None else self.fired | fired
        if self.bounds:
            low, high = self.bounds
            margin = NEAR * (high - low) / 2
            near = ((units <= low + margin) | (units >= high - margin)).sum(dim=1)
            self.near = near if self.near is None else self.near + near
        # a histogram needs a range first: keep a thinned copy, at most 2^16 values a batch
        flat = units.reshape(-1)
        self.kept.append(flat[:: max(1, flat.numel() >> 16)].clone())
        self.num_units = units.shape[0]

    def result(self, layer: str, num_samples: int) -> LayerHealth:
        mean = self.total / self.values
        dead = None if self.fired is None else ~self.fired
        saturated = None if self.near is None else self.near > OFTEN * self.per_unit
        ill = dead if dead is not None else saturated
        counts, edges = np.histogram(torch.cat(self.kept).float().cpu().numpy(), bins=_BINS)
        return LayerHealth(
            layer=layer,
            activation=self.kind,
            num_units=self.num_units,
            num_samples=num_samples,
            dead_share=None if dead is None else float(dead.float().mean()),
            saturated_share=None if saturated is None else float(saturated.float().mean()),
            zero_share=self.zeros / self.values,
            mean=mean,
            std=max(self.squares / self.values - mean * mean, 0.0) ** 0.5,
            ill=() if ill is None else tuple(ill.nonzero().flatten().tolist()),
            counts=tuple(counts.tolist()),
            edges=tuple(edges.tolist()),
        )


def _by_unit(output: Any) -> Tensor:
    """(units, values): channels of maps, features of dense layers and of sequences' real steps."""
    if isinstance(output, tuple) and not isinstance(output, PackedSequence):
        output = output[0]
    if isinstance(output, PackedSequence):
        output = output.data  # (all real steps, width): padding is not in it
    tensor: Tensor = output
    if tensor.ndim == 4:
        return tensor.transpose(0, 1).reshape(tensor.shape[1], -1)
    return tensor.reshape(-1, tensor.shape[-1]).T


def health(
    net: nn.Module,
    features: Tensor,
    length: Tensor | None = None,
    *,
    batch_size: int = 256,
) -> list[LayerHealth]:
    """Every activation layer on raw samples `features` (n, *shape), in the order they run."""
    twin = private(net)
    kinds = activation_layers(twin)
    tallies: dict[str, _Tally] = {}

    def see(name: str, output: Any) -> None:
        if name not in tallies:
            base = name.split("#")[0]
            module = dict(twin.named_modules())[base]
            inner = "ReLU" if getattr(module, "nonlinearity", "") == "relu" else "Tanh"
            tallies[name] = _Tally(kinds[base], inner)
        tallies[name].add(output)

    with torch.inference_mode(), observed(twin, kinds, see):
        for start in range(0, len(features), batch_size):
            part = slice(start, start + batch_size)
            run(twin, features[part], None if length is None else length[part])
    return [tally.result(name, len(features)) for name, tally in tallies.items()]


def weight_norms(net: nn.Module) -> dict[str, float]:
    """L2 norm of each layer's weights (not its biases), for layers that have a weight matrix."""
    return {
        name: float(torch.cat([p.detach().float().flatten() for p in weights]).norm())
        for name, weights in _weights(net).items()
    }


def _weights(net: nn.Module) -> dict[str, list[Tensor]]:
    found: dict[str, list[Tensor]] = {}
    for name, parameter in net.named_parameters():
        layer, _, kind = name.rpartition(".")
        if kind.startswith("weight") and parameter.ndim >= 2:
            found.setdefault(layer, []).append(parameter)
    return found


def gradient_norms(
    net: nn.Module, features: Tensor, label: Tensor, length: Tensor | None = None
) -> dict[str, float]:
    """L2 norm of the loss's gradient by each layer's weights, on one batch in eval mode.

    Cross-entropy for integer labels, squared error otherwise. No parameter's `.grad` is touched.
    """
    twin = private(net)
    weights = _weights(twin)
    with torch.backends.cudnn.flags(enabled=False):  # its RNN has no backward in eval mode
        scores = run(twin, features, length).float()
        classes = not label.is_floating_point()
        loss = (
            nn.functional.cross_entropy(scores, label.long())
            if classes
            else nn.functional.mse_loss(scores.reshape(label.shape), label.float())
        )
        flat = [p for group in weights.values() for p in group if p.requires_grad]
        gradients = iter(torch.autograd.grad(loss, flat, allow_unused=True))
    result = {}
    for name, group in weights.items():
        parts = [next(gradients) for p in group if p.requires_grad]
        squares = sum(float(g.float().square().sum()) for g in parts if g is not None)
        result[name] = squares**0.5
    return result


def update_ratios(net: nn.Module, before: dict[str, Tensor]) -> dict[str, float]:
    """|w - w_before| / |w_before| of each layer since `before`, a `state_dict()` cloned earlier.

    Over one step about 1e-3 is usual (Karpathy, CS231n notes); over an epoch it is larger.
    """
    ratios = {}
    for layer, parameters in _weights(net).items():
        named = {id(p): n for n, p in net.named_parameters()}
        moved = origin = 0.0
        for parameter in parameters:
            old = before[named[id(parameter)]].to(parameter.device).float()
            moved += float((parameter.detach().float() - old).square().sum())
            origin += float(old.square().sum())
        ratios[layer] = (moved / origin) ** 0.5 if origin > 0 else 0.0
    return ratios


def measure_health(
    net: nn.Module,
    features: Tensor,
    length: Tensor | None = None,
    *,
    label: Tensor | None = None,
    before: dict[str, Tensor] | None = None,
) -> dict[str, float]:
    """What a training records per epoch: `health/<layer>/<what>` from one probe batch.

    dead_share, saturated_share for activations; with labels also gradient_norm, and with the
    weights before the epoch also weight_norm and update_ratio, for layers with weights.
    """
    found: dict[str, float] = {}
    for item in health(net, features, length):
        if item.dead_share is not None:
            found[f"health/{item.layer}/dead_share"] = item.dead_share
        if item.saturated_share is not None:
            found[f"health/{item.layer}/saturated_share"] = item.saturated_share
    tables: dict[str, dict[str, float]] = {}
    if label is not None:
        tables["gradient_norm"] = gradient_norms(net, features, label, length)
    if before is not None:
        tables |= {"weight_norm": weight_norms(net), "update_ratio": update_ratios(net, before)}
    for what, table in tables.items():
        found |= {f"health/{layer}/{what}": value for layer, value in table.items()}
    return found
