"""Is every unit of a net at work? Dead and saturated shares, distributions, and a verdict.

Dead: a rectifier that is zero for every sample (and position) it was shown gets no gradient from
any of them, the dying-ReLU problem (Maas et al. 2013; Lu et al. 2019).
Saturated: a sigmoid or tanh within 5 % of its asymptotes' distance on more than 95 % of what it
was shown; there its slope is below 0.05 (sigmoid) and 0.19 (tanh) of what it could be, which is
how Glorot & Bengio (2010) found deep sigmoid nets stop learning; bounds on the output rather than
on the input follow Rakitianskaia & Engelbrecht (2015).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from nets.inside._capture import copy_modules, observe, run

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
    kinds = {}
    for name, module in net.named_modules():
        kind = type(module).__name__
        if kind in RECTIFIERS or kind in BOUNDS or kind in OTHERS or isinstance(module, nn.RNNBase):
            kinds[name] = kind
    return kinds


class _Units:
    """Which units of one layer fired or stayed near their bounds, over batches."""

    def __init__(self, kind: str, recurrent: str) -> None:
        self.kind = kind
        rule = recurrent if kind in RECURRENT else kind
        self.bounds = BOUNDS.get(rule)
        self.rectifier = rule in RECTIFIERS
        self.fired: Tensor | None = None
        self.near: Tensor | None = None
        self.per_unit = 0

    def add(self, units: Tensor) -> None:
        """`units`: (units, values)."""
        self.per_unit += units.shape[1]
        if self.rectifier:
            fired = units.amax(dim=1) > 0
            self.fired = fired if self.fired is None else self.fired | fired
        if self.bounds:
            low, high = self.bounds
            margin = NEAR * (high - low) / 2
            near = ((units <= low + margin) | (units >= high - margin)).sum(dim=1)
            self.near = near if self.near is None else self.near + near

    @property
    def dead(self) -> Tensor | None:
        return None if self.fired is None else ~self.fired

    @property
    def saturated(self) -> Tensor | None:
        return None if self.near is None else self.near > OFTEN * self.per_unit

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """(dead, saturated); None where the activation cannot be it."""
        dead, saturated = self.dead, self.saturated
        return (
            None if dead is None else float(dead.float().mean()),
            None if saturated is None else float(saturated.float().mean()),
        )


class _Tally(_Units):
    """And the distribution of the layer's values."""

    def __init__(self, kind: str, recurrent: str) -> None:
        super().__init__(kind, recurrent)
        self.values = self.zeros = 0
        self.total = self.squares = 0.0
        self.kept: list[Tensor] = []

    def add(self, units: Tensor) -> None:
        super().add(units)
        self.values += units.numel()
        self.zeros += int((units == 0).sum())
        self.total += float(units.sum(dtype=torch.float64))
        self.squares += float(units.double().square().sum())
        # a histogram needs a range first: keep a thinned copy, at most 2^16 values a batch
        flat = units.reshape(-1)
        self.kept.append(flat[:: max(1, flat.numel() >> 16)].clone())
        self.num_units = units.shape[0]

    def result(self, layer: str, num_samples: int) -> LayerHealth:
        mean = self.total / self.values
        dead, saturated = self.shares
        ill = self.dead if self.dead is not None else self.saturated
        counts, edges = np.histogram(torch.cat(self.kept).float().cpu().numpy(), bins=_BINS)
        return LayerHealth(
            layer=layer,
            activation=self.kind,
            num_units=self.num_units,
            num_samples=num_samples,
            dead_share=dead,
            saturated_share=saturated,
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
    twin = copy_modules(net)
    kinds = activation_layers(twin)
    tallies: dict[str, _Tally] = {}
    with torch.inference_mode(), observe(twin, kinds, _collect_into(tallies, _Tally, twin, kinds)):
        for start in range(0, len(features), batch_size):
            part = slice(start, start + batch_size)
            run(twin, features[part], None if length is None else length[part])
    return [tally.result(name, len(features)) for name, tally in tallies.items()]


_U = TypeVar("_U", bound=_Units)


def _collect_into(
    tallies: dict[str, _U], tally: type[_U], net: nn.Module, kinds: dict[str, str]
) -> Callable[[str, Any], None]:
    """The function for `observe`: adds each layer's output to its tally, in the order they run."""
    modules = dict(net.named_modules())

    def see(name: str, output: Any) -> None:
        if name not in tallies:
            base = name.split("#")[0]
            inner = "ReLU" if getattr(modules[base], "nonlinearity", "") == "relu" else "Tanh"
            tallies[name] = tally(kinds[base], inner)
        tallies[name].add(_by_unit(output))

    return see


@contextmanager
def watch_health(net: nn.Module, num_samples: int = 256) -> Iterator[dict[str, float]]:
    """What a training records per epoch: `health/<layer>/dead_share` and `.../saturated_share`.

    Measured on the first batch that runs through `net` inside the block: on its first `num_samples`
    samples, in recurrent layers on all. The dictionary is filled when the block ends. It needs no
    pass of its own, but its hooks lie on `net` itself: nobody else may use it meanwhile.
    """
    kinds = {n: k for n, k in activation_layers(net).items() if k not in OTHERS}
    units: dict[str, _Units] = {}
    see = _collect_into(units, _Units, net, kinds)
    batches = 0

    def count(*_: Any) -> None:
        nonlocal batches
        batches += 1

    def first(name: str, output: Any) -> None:
        if batches == 1:
            see(name, output[:num_samples] if isinstance(output, Tensor) else output)

    shares: dict[str, float] = {}
    counter = net.register_forward_pre_hook(count)
    try:
        with observe(net, kinds, first):
            yield shares
    finally:
        counter.remove()
    for layer, unit in units.items():
        for what, share in zip(("dead_share", "saturated_share"), unit.shares, strict=True):
            if share is not None:
                shares[f"health/{layer}/{what}"] = share
