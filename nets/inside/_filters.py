"""The filters of convolutions: as arrays, as pictures, and how far they moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nets.errors import ConfigError
from nets.inside._capture import copy_modules, find, run

Array = NDArray[np.float32]
View = Literal["rgb", "channels", "norm"]


def convolutions(net: nn.Module) -> list[str]:
    """Names of the 2-D convolutions, input side first."""
    return [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]


def filters(net: nn.Module, layer: str) -> Array:
    """Weights of a convolution: (num_filters, channels_in / groups, height, width) float32.

    Raises:
        ConfigError: `layer` is not a convolution.
    """
    module = find(net, layer)
    if not isinstance(module, nn.Conv2d):
        raise ConfigError(
            f"Only a 2-D convolution has filters, {layer!r} is a {type(module).__name__}. "
            f"Convolutions: {', '.join(convolutions(net)) or 'none in this net'}."
        )
    weights: Array = module.weight.detach().float().cpu().numpy().copy()
    return weights


def pictures(weights: Array, view: View) -> Array:
    """What to draw of `weights` (n, c, h, w).

    rgb: (n, h, w, 3), only for c = 3; channels: (n, c, h, w), one tile per input channel;
    norm: (n, h, w), the L2 norm over the input channels, for layers whose channels have no colour.
    """
    if view == "rgb":
        if weights.shape[1] != 3:
            raise ConfigError(f"rgb needs 3 input channels, this layer has {weights.shape[1]}.")
        return weights.transpose(0, 2, 3, 1)
    if view == "norm":
        norm: Array = np.sqrt((weights**2).sum(axis=1))
        return norm
    return weights


def views(weights: Array) -> list[View]:
    """The views that suit a layer, the best first."""
    if weights.shape[1] == 3:
        return ["rgb", "channels", "norm"]
    return ["channels", "norm"] if weights.shape[1] == 1 else ["norm", "channels"]


def distances(weights: Array, initial: Array) -> Array:
    """How far each filter moved: |w - w0| / |w0|, (n,). Near 0: it never learned."""
    flat, start = (w.reshape(len(w), -1) for w in (weights, initial))
    moved: Array = np.linalg.norm(flat - start, axis=1) / np.maximum(
        np.linalg.norm(start, axis=1), 1e-12
    )
    return moved


def near_duplicates(weights: Array, threshold: float = 0.95) -> list[tuple[int, int, float]]:
    """Pairs of filters whose cosine similarity is at least `threshold`: (i, j, similarity)."""
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    similarity = np.triu(unit @ unit.T, k=1)
    pairs = zip(*np.nonzero(similarity >= threshold), strict=True)
    duplicates = [(int(i), int(j), float(similarity[i, j])) for i, j in pairs]
    return sorted(duplicates, key=lambda pair: -pair[2])


@dataclass(frozen=True, kw_only=True)
class Response:
    """One value of a feature map as the convolution it is."""

    window: Array
    """(channels, kh, kw): what the filter looked at, zeros where it reaches past the border."""
    weights: Array
    """(channels, kh, kw)."""
    bias: float
    value: float
    """sum(window * weights) + bias."""
    row: int
    """Row of the window's top edge in the layer's input, before padding; may be negative."""
    column: int
    feature_map: Array
    """(H, W): the filter's whole map."""
    source: Array
    """(channels, H_in, W_in): the layer's whole input, for this filter's group of channels."""


def response(
    net: nn.Module, layer: str, features: Tensor, filter_index: int, row: int, column: int
) -> Response:
    """How filter `filter_index` of `layer` made the value at (row, column) of its map.

    `features`: (1, *shape), one raw sample.

    Raises:
        ConfigError: no convolution, or a filter or position outside of it.
    """
    filters(net, layer)
    twin = copy_modules(net)
    conv = find(twin, layer)
    assert isinstance(conv, nn.Conv2d)
    seen: list[Tensor] = []
    handle = conv.register_forward_hook(lambda _m, inputs, out: seen.extend((inputs[0], out)))
    with torch.inference_mode():
        run(twin, features)
        handle.remove()
        x, y = seen[0][0].float().clone(), seen[1][0].float().clone()
    for name, index, size in zip(
        ("filter", "row", "column"), (filter_index, row, column), y.shape, strict=True
    ):
        if not 0 <= index < size:
            raise ConfigError(f"{name} of {layer} must be 0 to {size - 1}, got {index}.")
    per_group = conv.out_channels // conv.groups
    group, width = filter_index // per_group, conv.in_channels // conv.groups
    x = x[group * width : (group + 1) * width]
    patches = nn.functional.unfold(
        _pad(x[None], conv), conv.kernel_size, dilation=conv.dilation, stride=conv.stride
    )
    window = patches[0, :, row * y.shape[2] + column].reshape(width, *conv.kernel_size)
    bias = 0.0 if conv.bias is None else float(conv.bias[filter_index].detach())
    top, left = (
        at * step - before
        for at, step, (before, _) in zip((row, column), conv.stride, _padding(conv), strict=True)
    )
    return Response(
        window=window.numpy(),
        weights=conv.weight[filter_index].detach().float().cpu().numpy(),
        bias=bias,
        value=float(y[filter_index, row, column]),
        row=int(top),
        column=int(left),
        feature_map=y[filter_index].cpu().numpy(),
        source=x.cpu().numpy(),
    )


def _padding(conv: nn.Conv2d) -> list[tuple[int, int]]:
    """Rows above and below, columns left and right."""
    if not isinstance(conv.padding, str):
        return [(size, size) for size in conv.padding]
    if conv.padding == "valid":
        return [(0, 0), (0, 0)]
    totals = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def _pad(x: Tensor, conv: nn.Conv2d) -> Tensor:
    mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
    rows, columns = _padding(conv)
    return nn.functional.pad(x, [*columns, *rows], mode=mode)
