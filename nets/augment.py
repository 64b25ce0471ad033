"""Augmentation: random variations of a training batch, made on its device, a batch at a time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nets.config import config


@config
class AugmentConfig:
    """What is varied at random in every training batch. Evaluation sees the rows as they are."""

    flip: bool = False
    """image: mirror left to right with probability 1/2."""
    crop: int = Field(0, ge=0)
    """image: pad every side by this many pixels and cut the original size out at random."""
    padding: Literal["reflect", "zero"] = "reflect"
    """image: what `crop` pads with."""
    cutout: int = Field(0, ge=0)
    """image: side, in pixels, of a square replaced by the picture's mean (DeVries and Taylor 2017)."""
    jitter: float = Field(0.0, ge=0)
    """series: standard deviation of added noise, as a share of each channel's own in the batch."""
    scaling: float = Field(0.0, ge=0)
    """series: standard deviation of a factor around 1, one per sample and channel."""
    time_mask: int = Field(0, ge=0)
    """series: up to this many consecutive steps replaced by the sample's mean (Park et al. 2019)."""
