"""Augmentation: random variations of a training batch, made on its device, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from nets.config import config
from nets.custom import Custom
from nets.custom_augment import CustomAugment
from nets.custom_field import DUMPED, OPTIONAL_CUSTOM
from nets.errors import ConfigError
from nets.picture_changes import recolour, turn_and_scale
from nets.spec import TensorSpec
from nets.workers import add_up, counts_own_rows, draw

_BELONGS_TO = {
    "image": ("flip", "crop", "cutout", "rotate", "zoom", "colour"),
    "series": ("jitter", "scaling", "time_mask"),
}

if TYPE_CHECKING:
    _Own = Custom | None
else:
    _Own = Annotated[Any, OPTIONAL_CUSTOM, DUMPED]


@config
class AugmentConfig:
    """What is varied at random in every training batch. Evaluation sees the rows as they are."""

    flip: bool = False
    """image: mirror left to right with probability 1/2."""
    crop: int = Field(default=0, ge=0)
    """image: pad every side by this many pixels and cut the original size out at random."""
    padding: Literal["reflect", "zero"] = "reflect"
    """image: what comes in from outside the picture, by `crop`, `rotate` and `zoom`."""
    cutout: int = Field(default=0, ge=0)
    """image: side, in pixels, of a square replaced by the picture's mean (DeVries and Taylor 2017)."""
    rotate: float = Field(default=0.0, ge=0, le=180)
    """image: turn by up to so many degrees to either side."""
    zoom: float = Field(default=0.0, ge=0, lt=1)
    """image: scale by a factor of up to this much from 1: 0.1 is 0.9 to 1.1."""
    colour: float = Field(default=0.0, ge=0, lt=1)
    """image: brightness, contrast and, of three channels, saturation by factors of up to this much from 1."""
    mixup: float = Field(default=0.0, ge=0)
    """Add each row to another one of the batch, and learn both labels by their shares, drawn from Beta(mixup, mixup) (Zhang et al. 2018); 0.2 is usual. Not for text."""
    cutmix: float = Field(default=0.0, ge=0)
    """image: paste a box of another picture of the batch, and learn both labels by their areas, drawn from Beta(cutmix, cutmix) (Yun et al. 2019); 1.0 is usual. With mixup, one of the two for each batch."""
    jitter: float = Field(default=0.0, ge=0)
    """series: standard deviation of added noise, as a share of each channel's own in the batch."""
    scaling: float = Field(default=0.0, ge=0)
    """series: standard deviation of a factor around 1, one per sample and channel."""
    time_mask: int = Field(default=0, ge=0)
    """series: up to this many consecutive steps replaced by the sample's mean (Park et al. 2019)."""
    own: _Own = None
    """Your own, after the others: `Custom(noise, strength=0.1)`, a function of a batch, or a class whose objects are called with it, as those of torchvision.transforms.v2."""


class Augment:
    """Varies a batch by an `AugmentConfig`: (B, *spec.shape) to the same shape and dtype.

    Works on the raw rows, before preparation, so replaced values are a row's own mean, not 0.

    Raises:
        ConfigError: a setting that does not fit the kind or size of the rows.
    """

    def __init__(self, config: AugmentConfig, spec: TensorSpec) -> None:
        self.config = config
        self.kind = spec.kind
        for kind, names in _BELONGS_TO.items():
            used = [name for name in names if getattr(config, name)]
            if used and spec.kind != kind:
                raise ConfigError(
                    f"augment.{used[0]} works on {kind} rows, got {spec.kind} rows. "
                    f"Set augment.{used[0]} back to its default."
                )
        self.own = None if config.own is None else CustomAugment(config.own, spec)
        self.active = any(getattr(config, n) for names in _BELONGS_TO.values() for n in names)
        if spec.kind == "image":
            limit = min(spec.shape[1:]) - 1
            if config.crop > limit or config.cutout > limit:
                raise ConfigError(
                    f"augment.crop and augment.cutout must be below the picture's height and width, "
                    f"at most {limit} for {spec.shape[1]}x{spec.shape[2]}; "
                    f"got crop {config.crop}, cutout {config.cutout}."
                )
        if spec.kind == "series" and config.time_mask >= spec.shape[0]:
            raise ConfigError(
                f"augment.time_mask must leave a step to see, below {spec.shape[0]} here, "
                f"got {config.time_mask}."
            )

    @torch.no_grad()
    def __call__(
        self,
        features: Tensor,
        length: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Args: features: (B, *spec.shape); length: (B,) valid steps; generator: on their device."""
        if self.active and self.kind == "image":
            features = self._image(features, generator)
        elif self.active:
            features = self._series(features, length, generator)
        return features if self.own is None else self.own(features, length)

    def _image(self, features: Tensor, generator: torch.Generator | None) -> Tensor:
        config = self.config

        def signed(shape: tuple[int, ...]) -> Tensor:
            return 2 * _uniform(shape, features.device, generator) - 1

        if config.rotate or config.zoom:
            turned = turn_and_scale(features, config.rotate, config.zoom, config.padding, signed)
            features = _as_type(turned, features)
        if config.flip or config.crop:
            features = flip_and_crop(features, config, generator)
        if config.colour:
            features = _as_type(recolour(features, config.colour, signed), features)
        if config.cutout:
            features = cutout(features, config.cutout, generator)
        return features

    def _series(
        self, features: Tensor, length: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        config = self.config
        steps = torch.arange(features.shape[1], device=features.device)
        if length is None:
            length = steps.new_full((len(features),), features.shape[1])
        valid = (steps < length[:, None])[:, :, None]
        x = features.float()
        if config.jitter or config.scaling:
            x = _vary(x, valid, config, generator)
        if config.time_mask:
            masked = _time_mask(steps, length, config.time_mask, generator)
            mean = (x * valid).sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp(min=1)
            x = torch.where(masked, mean, x)
        x = torch.where(valid, x, features.float())
        return _as_type(x, features)


def flip_and_crop(
    features: Tensor, config: AugmentConfig, generator: torch.Generator | None = None
) -> Tensor:
    """Mirrored and shifted copies of pictures (B, C, H, W), read through one index."""
    batch, channels, height, width = features.shape
    rows, inside_rows = _shift_positions(batch, height, config.crop, features.device, generator)
    columns, inside_columns = _shift_positions(
        batch, width, config.crop, features.device, generator
    )
    if config.flip:
        mirrored = _uniform((batch, 1), features.device, generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
        inside_columns = torch.where(mirrored, inside_columns.flip(1), inside_columns)
    index = (rows[:, :, None] * width + columns[:, None, :]).view(batch, 1, height * width)
    pixels = features.reshape(batch, channels, height * width).gather(
        2, index.expand(batch, channels, height * width)
    )
    pixels = pixels.view(features.shape)
    if config.crop and config.padding == "zero":
        pixels = pixels * (inside_rows[:, None, :, None] & inside_columns[:, None, None, :])
    return pixels


def cutout(features: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
    """A square of `size` pixels in each picture (B, C, H, W) replaced by its channels' means.

    The centre is any pixel, so the square may reach over the border (DeVries and Taylor 2017).
    """
    hidden = []
    for extent in features.shape[2:]:
        centre = _integers((len(features), 1), extent, features.device, generator)
        offset = torch.arange(extent, device=features.device) - centre + size // 2
        hidden.append((offset >= 0) & (offset < size))
    square = hidden[0][:, None, :, None] & hidden[1][:, None, None, :]
    mean = features.float().mean((2, 3), keepdim=True)
    fill = mean if features.is_floating_point() else mean.round()
    return torch.where(square, fill.to(features.dtype), features)


def _shift_positions(
    batch: int, size: int, reach: int, device: torch.device, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """(B, size) positions to read after a random shift, mirrored at the ends; and which are not."""
    shift = _integers((batch, 1), 2 * reach + 1, device, generator) - reach if reach else 0
    position = (torch.arange(size, device=device) + shift).expand(batch, size)
    inside = (position >= 0) & (position < size)
    position = position.abs()
    return torch.where(position < size, position, 2 * (size - 1) - position), inside


def _vary(
    x: Tensor, valid: Tensor, config: AugmentConfig, generator: torch.Generator | None
) -> Tensor:
    """Noise, and a factor on the distance from the channel's mean: units and offsets do not matter."""
    own = valid * float(counts_own_rows())
    count = add_up(own.sum((0, 1))).clamp(min=1)
    mean = add_up((x * own).sum((0, 1))) / count
    if config.scaling:
        factor = 1 + config.scaling * _normal((len(x), 1, x.shape[2]), x.device, generator)
        x = mean + (x - mean) * factor
    if config.jitter:
        std = (add_up(((x - mean).square() * own).sum((0, 1))) / count).sqrt()
        x = x + config.jitter * std * _normal(x.shape, x.device, generator)
    return x


def _time_mask(
    steps: Tensor, length: Tensor, longest: int, generator: torch.Generator | None
) -> Tensor:
    """(B, T, 1) True on one run of 0 to `longest` valid steps of each row, never on all of them."""
    shape = (len(length), 1)
    most = (length[:, None] - 1).clamp(min=0, max=longest)
    width = (_uniform(shape, steps.device, generator) * (most + 1)).long()
    start = (_uniform(shape, steps.device, generator) * (length[:, None] - width + 1)).long()
    return ((steps >= start) & (steps < start + width))[:, :, None]


def _as_type(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype) if like.is_floating_point() else to_whole(x, like)


def to_whole(x: Tensor, like: Tensor) -> Tensor:
    """`x` rounded to the whole numbers that the type of `like` has."""
    limits = torch.iinfo(like.dtype)
    return x.round().clamp(limits.min, limits.max).to(like.dtype)


def _uniform(
    shape: Sequence[int], device: torch.device, generator: torch.Generator | None
) -> Tensor:
    return draw(lambda size: torch.rand(tuple(size), device=device, generator=generator), shape)


def _normal(
    shape: Sequence[int], device: torch.device, generator: torch.Generator | None
) -> Tensor:
    return draw(lambda size: torch.randn(tuple(size), device=device, generator=generator), shape)


def _integers(
    shape: Sequence[int], high: int, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    return draw(
        lambda size: torch.randint(high, tuple(size), device=device, generator=generator), shape
    )
