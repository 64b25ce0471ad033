"""The linear part beside a net starts as a linear model that is fitted to the training rows.

With the net's own answers at 0 to begin with, a training starts where the linear baseline is, and keeps
what validation rows say is better. From 0 the linear part would have to be learned in few steps at the
net's learning rate: where rows are few, it then falls below a fitted one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import nets
from nets import Task
from nets.rocket import RandomConvolutions
from nets.wide import Linear, OwnHistory, relative_to_last
from workbench.bridge import Prepared
from workbench.bridge.arrays import Arrays
from workbench.training.linear_fits import fit_classes, fit_values, labels_of, some_rows, values_of

_WORK = 2e8
"""Rows times values times outputs: with more, the fit takes seconds, and there are rows enough for the
net to learn it."""
_MANY_WINDOWS = 1_000
"""With so many windows, a forecast that is learned from 0 under dropout goes below ridge regression. On
3,000 windows of ETTh1 its squared error is 3.10 to 3.15; one that starts at ridge regression stays at 3.19."""
_CHUNK = 256
"""Rows whose random convolutions are made at a time."""
_HELD = 20_000
"""Validation rows that a penalty is chosen on, at most."""
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e6)
"""Of a forecast, in mean variances of a step; the last one leaves nothing but the mean change."""
_USUAL = 1
"""The penalty where there are no validation rows: that of the linear baseline."""

Ridge = tuple[Tensor, Tensor]
"""Weights (targets, steps, horizon) and bias (horizon, targets)."""


def start_wide(net: nets.Net, prepared: Prepared, task: Task) -> None:
    """Fit the linear part of a net to the training rows, and set the net's last layer to 0.

    Tables, and series with random convolutions: logistic regression, or ridge regression. Forecasts:
    ridge regression of each target's change on its own past, with the penalty of the linear baseline, or
    another one or the last season where validation rows clearly say so.
    Nothing is done for other samples, nets without a linear part, rows that have weights, and forecasts
    from a thousand windows and more.
    """
    wide = getattr(net.body, "wide", None)
    output = getattr(net.body, "output", None)
    if "train" not in prepared.splits or not isinstance(output, nn.Linear):
        return
    values = int(np.prod(net.spec.shape))
    if isinstance(wide, RandomConvolutions):
        values = wide.linear.in_features
    if prepared.splits["train"].num_rows * values * net.num_outputs > _WORK or task.reconstructs:
        return
    if isinstance(wide, OwnHistory) and prepared.forecast is not None:
        if prepared.splits["train"].num_rows >= _MANY_WINDOWS:
            return
        _start_forecast(net, wide, prepared)
    elif isinstance(wide, RandomConvolutions) or (
        isinstance(wide, Linear) and prepared.spec.kind == "vector"
    ):
        rows = some_rows(prepared)
        if "weight" in rows:
            return
        _start_linear(net, wide, rows, task)
    else:
        return
    if not isinstance(wide, RandomConvolutions):
        wide.dropout = nn.Identity()  # which would shrink a fitted model to a fraction of itself
    nn.init.zeros_(output.weight)
    nn.init.zeros_(output.bias)


@torch.no_grad()
def _inputs(net: nets.Net, arrays: Arrays) -> Tensor:
    """What the linear part gets."""
    length = torch.from_numpy(np.array(arrays["length"])) if "length" in arrays else None
    x: Tensor = net.prepare(torch.from_numpy(np.array(arrays["features"])), length)
    return relative_to_last(x, length) if getattr(net.body, "relative", False) else x


def _targets(net: nets.Net, arrays: Arrays) -> Tensor:
    """(n, outputs) float64: measured labels as the body learns them."""
    label = torch.from_numpy(values_of(arrays))
    if net.restore is None:
        return label
    length = torch.from_numpy(np.array(arrays["length"])) if "length" in arrays else None
    return net.restore.undo(label, torch.from_numpy(np.array(arrays["features"])), length)


@torch.no_grad()
def _start_linear(
    net: nets.Net, wide: Linear | RandomConvolutions, rows: Arrays, task: Task
) -> None:
    x = _inputs(net, rows)
    if isinstance(wide, RandomConvolutions):
        length = torch.from_numpy(np.array(rows["length"])) if "length" in rows else None
        wide.fit_thresholds(x, length)
        parts = zip(x.split(_CHUNK), _split(length, len(x)), strict=True)
        x = torch.cat([wide.features(*part) for part in parts])
    x = x.flatten(1)
    mean, deviation = x.mean(0), x.std(0)
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), torch.zeros(()))
    standard = (x - mean) * scale
    if task.has_classes:
        weight, bias = fit_classes(standard, torch.from_numpy(labels_of(rows)), net.num_outputs)
    else:
        weight, bias = fit_values(standard, _targets(net, rows), x.shape[1])
    weight = weight * scale[:, None]
    wide.linear.weight.copy_(weight.T)
    wide.linear.bias.copy_(bias - mean @ weight)


def _split(length: Tensor | None, rows: int) -> list[Tensor | None]:
    if length is None:
        return [None] * -(-rows // _CHUNK)
    return list(length.split(_CHUNK))


@torch.no_grad()
def _start_forecast(net: nets.Net, wide: OwnHistory, prepared: Prepared) -> None:
    """The penalty of the linear baseline, or, where validation rows clearly say so, another one, and the
    last season in place of the last value."""
    rows = some_rows(prepared)
    past, later = _own(net, wide, rows), _steps(net, wide, rows)
    models = [
        model for anchor in _anchors(net, wide, prepared) for model in _ridges(past, later, anchor)
    ]
    chosen = models[_USUAL]
    if prepared.has("validation"):
        held = prepared.splits["validation"].read(stop=_HELD)
        chosen = _choose(models, _own(net, wide, held), _steps(net, wide, held))
    wide.weight.copy_(chosen[0])
    wide.bias.copy_(chosen[1].flatten())


def _choose(models: list[Ridge], past: Tensor, later: Tensor) -> Ridge:
    """The model with the smallest error, if it is smaller by two standard errors; else the usual one."""

    def errors(model: Ridge) -> Tensor:
        guess = torch.einsum("btn,nth->bhn", past, model[0]) + model[1]
        return (guess - later).square().mean((1, 2))

    best = min(models, key=lambda model: float(errors(model).mean()))
    gain = errors(models[_USUAL]) - errors(best)
    error = float(gain.std(correction=0)) / len(gain) ** 0.5
    return best if float(gain.mean()) > 2 * error else models[_USUAL]


def _own(net: nets.Net, wide: OwnHistory, arrays: Arrays) -> Tensor:
    """(n, steps, targets) float64: each target's own past."""
    return _inputs(net, arrays)[:, :, wide.targets].double()


def _steps(net: nets.Net, wide: OwnHistory, arrays: Arrays) -> Tensor:
    """(n, horizon, targets) float64."""
    return _targets(net, arrays).unflatten(1, (-1, len(wide.targets)))


def _anchors(net: nets.Net, wide: OwnHistory, prepared: Prepared) -> list[Tensor]:
    """(targets, steps, horizon) float64: no change, and the step of a season before, where there is one."""
    plain = torch.zeros(wide.weight.shape, dtype=torch.float64)
    forecast, restore = prepared.forecast, net.restore
    assert forecast is not None
    relative = getattr(net.body, "relative", False)
    if forecast.season is None or restore is None or not relative or net.prepare.matrix is not None:
        return [plain]
    season = plain.clone()
    factor = net.prepare.factor.expand(1, net.spec.shape[1])[0].double()
    outputs = restore.factor.double().unflatten(0, (-1, len(wide.targets)))  # (horizon, targets)
    for ahead in range(forecast.horizon):
        step = net.spec.shape[0] - forecast.season + ahead % forecast.season
        season[:, step, ahead] = 1 / (factor[wide.targets] * outputs[ahead])
    return [plain, season]


def _ridges(past: Tensor, later: Tensor, anchor: Tensor) -> list[Ridge]:
    """For each penalty: weights (targets, steps, horizon) and bias (horizon, targets).

    Args:
        past: (n, steps, targets); later: (n, horizon, targets); anchor: what the weights shrink to.
    """
    rest = later - torch.einsum("btn,nth->bhn", past, anchor)
    mean, center = past.mean(0), rest.mean(0)
    x, y = (past - mean).permute(2, 0, 1), (rest - center).permute(2, 0, 1)
    outer = x.transpose(1, 2) @ x / len(past)
    scale = outer.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    values, axes = torch.linalg.eigh(outer)
    along = axes.transpose(1, 2) @ (x.transpose(1, 2) @ y / len(past))
    models = []
    for penalty in _PENALTIES:
        shrunk = along / (values.clamp(min=0) + penalty * scale[:, None])[:, :, None]
        weight = axes @ shrunk
        bias = center - torch.einsum("tn,nth->hn", mean, weight)
        models.append((anchor + weight, bias))
    return models
