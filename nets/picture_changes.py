"""Turned, scaled and differently coloured copies of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Draw = Callable[[tuple[int, ...]], Tensor]
"""Numbers from -1 to 1 of a shape (B, ...)."""


def turn_and_scale(
    features: Tensor, degrees: float, scale: float, padding: str, draw: Draw
) -> Tensor:
    """Pictures (B, C, H, W), each turned and scaled about its centre: float32.

    Args:
        degrees: the largest angle, to either side.
        scale: the largest change of size: 0.1 is 0.9 to 1.1.
        padding: reflect or zero, for what comes from outside.
    """
    angle = math.radians(degrees) * draw((len(features),))
    size = 1 / (1 + scale * draw((len(features),)))
    height, width = features.shape[2:]
    cosine, sine = size * torch.cos(angle), size * torch.sin(angle)
    zero = torch.zeros_like(angle)
    # Coordinates go from -1 to 1 on both axes, whatever their lengths.
    first = torch.stack([cosine, -sine * height / width, zero], 1)
    second = torch.stack([sine * width / height, cosine, zero], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(features.shape), align_corners=False)
    mode = "reflection" if padding == "reflect" else "zeros"
    return F.grid_sample(features.float(), grid, padding_mode=mode, align_corners=False)


def recolour(features: Tensor, strength: float, draw: Draw) -> Tensor:
    """Pictures (B, C, H, W) with other brightness and contrast, and of three channels other saturation.

    Args:
        strength: the largest change of each: 0.2 is factors from 0.8 to 1.2.
    """

    def factor() -> Tensor:
        return 1 + strength * draw((len(features), 1, 1, 1))

    x = features.float() * factor()
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * factor()
    if features.shape[1] == 3:
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * factor()
    return x
