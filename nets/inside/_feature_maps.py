"""What a picture becomes, layer by layer, and which pictures excite one filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nets.errors import ConfigError
from nets.inside._capture import copy_modules, observe, outputs, pad_output, run

Array = NDArray[np.float32]


def feature_maps(
    net: nn.Module,
    features: Tensor,
    layers: Iterable[str] | None = None,
    length: Tensor | None = None,
) -> dict[str, Array]:
    """What each layer puts out for raw samples `features` (B, *shape), in the order they ran.

    Convolutional layers give (B, channels, height, width), recurrent ones (B, steps, width), dense
    ones (B, width). A layer that runs several times is listed as `name`, `name#2`, ...
    """
    seen = outputs(net, features, length, layers)
    return {name: tensor.float().cpu().numpy() for name, tensor in seen.items()}


def scores(net: nn.Module, features: Tensor, length: Tensor | None = None) -> Array:
    """(B, num_outputs) logits or values, in eval mode."""
    with torch.inference_mode():
        result: Array = run(copy_modules(net), features, length).float().cpu().numpy()
    return result


def probabilities(logits: Array) -> Array:
    """Softmax over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = raised / raised.sum(axis=-1, keepdims=True)
    return shares


@dataclass(frozen=True, kw_only=True)
class Excitation:
    """Where in which sample a filter responds most."""

    index: int
    """Which of the samples."""
    value: float
    """The response."""
    row: int
    """Position in the feature map; 0 for a dense unit."""
    column: int


def top_activating(
    net: nn.Module,
    layer: str,
    channel: int,
    features: Tensor,
    *,
    count: int = 9,
    batch_size: int = 128,
    length: Tensor | None = None,
) -> list[Excitation]:
    """The `count` samples that excite a channel of `layer` most, each at its strongest position."""
    twin = copy_modules(net)
    best: list[Tensor] = []
    where: list[Tensor] = []
    width = 1

    def see(_name: str, output: Any) -> None:
        nonlocal width
        tensor = pad_output(output)
        if tensor is None or tensor.ndim < 2:
            raise ConfigError(f"layer {layer!r} puts out no maps.")
        if tensor.ndim == 3:  # (B, steps, width): the position is the step
            tensor = tensor.transpose(1, 2)
        if not 0 <= channel < tensor.shape[1]:
            raise ConfigError(
                f"channel of {layer} must be 0 to {tensor.shape[1] - 1}, got {channel}."
            )
        flat = tensor[:, channel].reshape(len(tensor), -1)
        width = tensor.shape[-1] if tensor.ndim > 2 else 1
        value, position = flat.max(dim=1)
        best.append(value.float().cpu())
        where.append(position.cpu())

    with torch.inference_mode(), observe(twin, [layer], see):
        for start in range(0, len(features), batch_size):
            part = slice(start, start + batch_size)
            run(twin, features[part], None if length is None else length[part])
    values, positions = torch.cat(best), torch.cat(where)
    return [
        Excitation(
            index=int(i),
            value=float(values[i]),
            row=int(positions[i]) // width,
            column=int(positions[i]) % width,
        )
        for i in values.argsort(descending=True, stable=True)[:count]
    ]


def prepare_features(net: nn.Module, features: Tensor) -> Tensor:
    """The net's own first layer applied to raw samples; `features` as float where it has none."""
    prepare = getattr(net, "prepare", None)
    with torch.no_grad():
        result: Tensor = features.float() if prepare is None else prepare(features)
    return result.clone()


def body(net: nn.Module) -> nn.Module:
    """The part of the net after preparation; the net itself where there is no such part."""
    part = getattr(net, "body", None)
    return part if isinstance(part, nn.Module) else net


def receptive_field(
    net: nn.Module, layer: str, features: Tensor, row: int, column: int
) -> tuple[int, int, int, int]:
    """The part of the input that position (row, column) of `layer`'s maps can see.

    (top, left, bottom, right) in pixels, ends excluded. Found by marking one line of the prepared
    input after the other as NaN and looking where it arrives: right for any architecture, with
    max pooling, strides and branches.
    """
    twin = copy_modules(net)
    whole = prepare_features(twin, features[:1])
    if whole.ndim != 4:
        raise ConfigError(
            f"A receptive field needs pictures (B, C, H, W), got a batch of {tuple(whole.shape)}."
        )
    height, width = whole.shape[2:]
    marked = torch.zeros_like(whole).repeat(height + width, 1, 1, 1)
    lines = torch.arange(height + width)
    marked[lines[:height], :, lines[:height], :] = torch.nan
    marked[lines[height:], :, :, lines[height:] - height] = torch.nan
    reached: list[Tensor] = []

    def see(_name: str, output: Any) -> None:
        tensor = pad_output(output)
        assert tensor is not None
        at = tensor[:, :, row, column] if tensor.ndim == 4 else tensor.reshape(len(tensor), -1)
        reached.append(at.isnan().any(dim=1))

    with torch.inference_mode(), observe(twin, [layer], see):
        run(body(twin), marked)
    rows, columns = (part.nonzero().flatten() for part in torch.split(reached[0], [height, width]))
    if not len(rows) or not len(columns):
        return 0, 0, height, width
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


@dataclass(frozen=True, kw_only=True)
class Maximised:
    """An input made to excite one channel."""

    pixels: Array
    """(channels, height, width) in the net's prepared scale."""
    value: float
    """The channel's mean response to it."""
    start: float
    """The mean response to the noise it started from."""


def maximise(
    net: nn.Module,
    layer: str,
    channel: int,
    features: Tensor,
    *,
    steps: int = 96,
    learning_rate: float = 0.08,
    decay: float = 1e-3,
    variation: float = 0.05,
    seed: int = 0,
) -> Maximised:
    """An input optimised to excite a channel: activation maximisation (Erhan et al. 2009).

    Gradient ascent from small noise, with the total-variation penalty of Mahendran & Vedaldi
    (2015) and the one-pixel jitter of Mordvintsev et al. (2015), which keep it from becoming
    static. `features` (1, *shape) gives only the shape. For images.
    """
    twin = copy_modules(net).float()
    like = prepare_features(twin, features[:1])
    if like.ndim != 4:
        raise ConfigError(f"Activation maximisation needs pictures, got {tuple(like.shape)}.")
    generator = torch.Generator().manual_seed(seed)
    x = (0.1 * torch.randn(like.shape, generator=generator)).to(like).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=learning_rate)
    responses: list[Tensor] = []

    def see(_name: str, output: Any) -> None:
        tensor = pad_output(output)
        if tensor is None or tensor.ndim < 2 or not 0 <= channel < tensor.shape[1]:
            raise ConfigError(f"{layer} has no channel {channel}.")
        responses.append(tensor[0, channel].clone().mean())

    with observe(twin, [layer], see):
        for _ in range(steps):
            shift = torch.randint(-1, 2, (2,), generator=generator).tolist()
            run(body(twin), x.roll(shift, dims=(2, 3)))
            rough = x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()
            goal = responses[-1] - variation * rough - decay * x.square().sum()
            (gradient,) = torch.autograd.grad(-goal, x)
            norm = gradient.norm()
            x.grad = gradient / norm if norm > 0 else gradient
            optimizer.step()
        run(body(twin), x)
    first, last = float(responses[0].detach()), float(responses[-1].detach())
    return Maximised(pixels=x.detach()[0].float().cpu().numpy(), value=last, start=first)
