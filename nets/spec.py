"""What one sample is: the shape and type that a row of a data set, a batch and a net agree on."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from nets.config import config
from nets.errors import ConfigError

Kind = Literal["image", "tokens", "series", "vector", "sound"]

_DIMENSIONS = {"image": 3, "tokens": 1, "series": 2, "vector": 1, "sound": 1}
_LAYOUT = {
    "image": "(channels, height, width)",
    "tokens": "(steps,)",
    "series": "(steps, channels)",
    "vector": "(features,)",
    "sound": "(samples,)",
}


@config
class TensorSpec:
    """The fixed shape and dtype of one sample.

    A row carries the sample as `math.prod(shape) * itemsize` raw little-endian bytes in C order.
    """

    kind: Kind
    """image: (channels, height, width); tokens: (steps,); series: (steps, channels); vector: (features,); sound: (samples,), a waveform."""
    shape: tuple[int, ...]
    """Shape of one sample, without the batch dimension."""
    dtype: Literal["uint8", "int16", "int32", "float32"] = "float32"
    """uint8 for images, int16 for sounds, int32 for token ids, float32 for everything measured."""
    vocabulary_size: int | None = None
    """tokens only: ids are 0 <= id < vocabulary_size; 0 is padding, 1 an unknown token."""
    rate: int | None = None
    """sound only: samples a second."""

    def __post_init__(self) -> None:
        if len(self.shape) != _DIMENSIONS[self.kind] or min(self.shape) < 1:
            raise ConfigError(
                f"shape of {self.kind} must be {_LAYOUT[self.kind]} with every size >= 1, "
                f"got {self.shape}."
            )
        if self.kind == "tokens" and (self.vocabulary_size or 0) < 2:
            raise ConfigError(
                f"tokens need vocabulary_size >= 2 (padding and unknown), got {self.vocabulary_size}."
            )
        if self.kind == "sound" and (self.dtype != "int16" or (self.rate or 0) < 1):
            raise ConfigError(
                f"sounds are int16 with rate >= 1 samples a second, got {self.dtype}, {self.rate}."
            )

    @property
    def num_bytes(self) -> int:
        """Bytes of one encoded sample."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize
