"""A small residual net for 32x32 pictures, in the style of the fastest CIFAR-10 trainers.

After D. Page, "How to train your ResNet" (2018), and K. Jordan, "94% on CIFAR-10 in 3.29 seconds"
(2024): few layers, wide at the end, a residual pair where it helps most, scaled logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from nets import activations
from nets.activations import ActivationName
from nets.cnn import output_layer
from nets.config import config
from nets.errors import ConfigError
from nets.idle import IdleSetting, without_maxout
from nets.spec import TensorSpec


@config
class ResNetConfig:
    """A stem, then stages that halve the map, some with a residual pair of convolutions."""

    reconstructs: ClassVar[bool] = False
    kind: Literal["resnet"] = "resnet"
    widths: tuple[int, ...] = Field(default=(64, 128, 256, 512), min_length=2)
    """Channels of the stem and of each stage."""
    residual: tuple[bool, ...] = (True, False, True)
    """Which stages have a residual pair."""
    activation: ActivationName = "relu"
    """sigmoid, tanh, relu, leaky_relu, elu, maxout, gelu or silu, after every convolution."""
    maxout_pieces: int = Field(default=2, ge=2)
    """Linear pieces of maxout."""
    scale: float = Field(default=0.125, gt=0)
    """Factor on the logits: keeps the net from being too sure of itself early."""

    def __post_init__(self) -> None:
        if len(self.residual) != len(self.widths) - 1:
            raise ConfigError(
                f"residual must have one entry per stage, {len(self.widths) - 1}, got "
                f"{len(self.residual)}."
            )

    def idle(self, kind: str | None) -> Iterator[IdleSetting]:
        """Settings that change nothing beside the others, for rows of this kind."""
        yield from without_maxout(self.activation)


def fast_resnet(width: int = 64, activation: str = "relu") -> ResNetConfig:
    """The ResNet-9 shape, `width` channels in the stem; 16 to 32 suit a CPU."""
    widths = (width, 2 * width, 4 * width, 8 * width)
    return ResNetConfig(widths=widths, activation=activation)


class Unit(nn.Module):
    """3x3 convolution, pooling, batch norm, activation. (B, C_in, H, W) -> (B, C_out, H or H // 2, ...).

    Pooled right after the convolution, so that the rest works on a quarter of the map: up to 1.4
    times the training speed of the whole net on a CPU.
    """

    def __init__(
        self, channels_in: int, channels: int, net: ResNetConfig, *, halve: bool = False
    ) -> None:
        super().__init__()
        width = activations.widen(net.activation, channels, net.maxout_pieces)
        self.conv = nn.Conv2d(channels_in, width, 3, padding=1, bias=False)
        activations.initialise(self.conv, net.activation)
        self.pool = nn.MaxPool2d(2) if halve else nn.Identity()
        self.norm = nn.BatchNorm2d(width)
        self.activation = activations.make(net.activation, pieces=net.maxout_pieces)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.norm(self.pool(self.conv(x))))
        return out


class Stage(nn.Module):
    """(B, C_in, H, W) -> (B, C_out, H // 2, W // 2), with an optional residual pair at the end."""

    def __init__(self, channels_in: int, channels: int, residual: bool, net: ResNetConfig) -> None:
        super().__init__()
        self.first = Unit(channels_in, channels, net, halve=True)
        pair = (Unit(channels, channels, net), Unit(channels, channels, net)) if residual else ()
        self.pair = nn.Sequential(*pair)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return x + self.pair(x) if self.residual else x


class ResNet(nn.Module):
    """(B, C, H, W) -> (B, num_outputs).

    Raises:
        ConfigError: the input is no picture, or too small for the stages' pooling.
    """

    def __init__(self, net: ResNetConfig, spec: TensorSpec, num_outputs: int) -> None:
        super().__init__()
        needed = 2 ** len(net.residual)
        if spec.kind != "image" or min(spec.shape[1:]) < needed:
            raise ConfigError(
                f"a residual net of {len(net.residual)} stages needs pictures of at least "
                f"{needed}x{needed}, got {spec.kind} {spec.shape}. Use net.kind cnn or rnn, or "
                "fewer stages."
            )
        self.stem = Unit(spec.shape[0], net.widths[0], net)
        pairs = zip(net.widths, net.widths[1:], net.residual, strict=False)
        self.stages = nn.Sequential(*(Stage(a, b, residual, net) for a, b, residual in pairs))
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.flatten = nn.Flatten()
        self.output = output_layer(net.widths[-1], num_outputs)
        self.scale = net.scale

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        x = self.pool(self.stages(self.stem(x)))
        logits: Tensor = self.output(self.flatten(x)) * self.scale
        return logits
