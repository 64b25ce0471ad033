"""EfficientNet-Lite0, as its ImageNet weights want it: `training.start_from: efficientnet_lite0`.

EfficientNet (Tan & Le 2019) of inverted residual blocks (Sandler et al. 2018). The Lite form (Google 2020)
has no squeeze-and-excitation, ReLU6 for swish, and the stem and head of the smallest net.
"""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from nets.errors import ConfigError
from nets.spec import TensorSpec

_STAGES = (
    # blocks, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _HEAD = 32, 1280
_OFFSET, _FACTOR = 127 / 255, 255 / 128
"""Pixels from 0 to 1 become (x - offset) * factor: what the weights were learned with."""


class Convolution(nn.Module):
    """Convolution with TensorFlow's padding, batch norm, ReLU6. (B, C_in, H, W) -> (B, C_out, H / stride, ...)."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv2d(channels_in, channels, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        self.activation = nn.ReLU6() if active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        # At least as many zeros behind as before: its weights know no other padding.
        across, down = (self._missing(size) for size in (x.shape[3], x.shape[2]))
        x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out

    def _missing(self, size: int) -> int:
        return max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)


class Block(nn.Module):
    """Wider, a filter for each channel, narrower again; added to its input where the shape stays."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        width = channels_in * expansion
        self.expand = Convolution(channels_in, width) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(width, width, kernel, stride, groups=width)
        self.project = Convolution(width, channels, active=False)
        self.adds = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + out if self.adds else out


class EfficientNetLite0(nn.Module):
    """A net of 4.7 million parameters for pictures of 1 or 3 channels. (B, C, H, W) in [0, 1] -> (B, num_outputs).

    Args:
        size: Height and width that pictures are resized to, in pixels. The ImageNet weights were learned with 224; smaller is faster.
        dropout: Share of the features set to zero in training, before the last layer.
    """

    wants_preparation: ClassVar[str] = "scale"

    def __init__(
        self, spec: TensorSpec, num_outputs: int, *, size: int = 224, dropout: float = 0.2
    ) -> None:
        super().__init__()
        if spec.kind != "image" or spec.shape[0] not in (1, 3):
            raise ConfigError(
                f"EfficientNetLite0 is a net for pictures of 1 or 3 channels, got {spec.kind} {spec.shape}."
            )
        if size < 32:
            raise ConfigError(
                f"size must be at least 32 pixels, got {size}: the net halves it five times."
            )
        self.size = size
        self.stem = Convolution(3, _STEM, 3, 2)
        blocks, width = [], _STEM
        for count, kernel, stride, expansion, channels in _STAGES:
            for number in range(count):
                blocks.append(Block(width, channels, kernel, 1 if number else stride, expansion))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = Convolution(width, _HEAD)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(_HEAD, num_outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = (x.expand(-1, 3, -1, -1) - _OFFSET) * _FACTOR
        if x.shape[2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        x = self.head(self.blocks(self.stem(x)))  # (B, 1280, size / 32, size / 32)
        out: Tensor = self.output(self.dropout(x.mean((2, 3))))
        return out
