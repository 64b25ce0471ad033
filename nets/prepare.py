"""The net's first layer: fitted on the training split, it prepares raw samples."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec
from nets.spectrogram import LogMel, SpectrogramConfig
from nets.statistics import Statistics

Method = Literal["none", "scale", "center", "standardize", "pca", "zca"]


@config
class PreparationConfig:
    """How raw samples become the net's input; fitted on the training split only."""

    method: Method = "standardize"
    """none; scale: to [0, 1]; center: subtract each feature's mean; standardize: mean 0 and deviation 1 per channel; pca: project on the main axes; zca: whiten and stay in the picture's axes."""
    num_components: int | None = Field(default=None, ge=1)
    """pca: axes kept; None: all."""
    whiten: bool = True
    """pca: give every axis deviation 1."""
    epsilon: float = Field(default=1e-5, gt=0)
    """Added to variances before dividing: keeps features that never vary finite."""
    targets: Literal["none", "standardize", "change"] = "standardize"
    """Measured labels, as the net learns them; it answers in their own units. standardize: mean 0 and deviation 1; change: a forecast's distance from the last step of its window, standardized."""
    spectrogram: SpectrogramConfig = SpectrogramConfig()
    """sound: the spectrogram that `method` is applied to."""

    @property
    def needs_covariance(self) -> bool:
        """Whether the sum of outer products (features x features) has to be computed."""
        return self.method in ("pca", "zca")


class Prepare(nn.Module):
    """(x - offset) * factor, then an optional projection. Raw samples in, what the net sees out.

    (B, *spec.shape) in spec.dtype -> (B, *output.shape) float32; token ids -> int64, unchanged.
    Steps of a series from its length on are 0, whatever was there. Sounds become spectrograms first:
    a picture (1, bands, frames), low bands at the top, or a series (frames, bands).
    """

    offset: Tensor
    factor: Tensor
    matrix: Tensor | None

    def __init__(
        self,
        method: str,
        spec: TensorSpec,
        offset: Tensor,
        factor: Tensor,
        matrix: Tensor | None,
        spectrogram: SpectrogramConfig | None = None,
    ) -> None:
        """
        Args:
            offset, factor: broadcast against a sample; applied before the projection. Of a sound:
                one for each band.
            matrix: (out_features, features) applied to the flattened sample.
            spectrogram: of sounds; None: as by default.
        """
        super().__init__()
        self.method, self.spec = method, spec
        self.sound_as: Literal["image", "series"] = "image"
        """What the net's body takes a spectrogram for."""
        self.log_mel = LogMel(spectrogram or SpectrogramConfig(), spec) if spec.rate else None
        self.register_buffer("offset", offset.float())
        self.register_buffer("factor", factor.float())
        self.register_buffer("matrix", None if matrix is None else matrix.float())

    @property
    def output(self) -> TensorSpec:
        """What comes out: the input's shape, except for pca, which gives a vector."""
        if self.spec.kind == "tokens":
            return self.spec
        if self.log_mel is not None:
            bands, frames = self.log_mel.num_bands, self.log_mel.frames
            shape = (1, bands, frames) if self.sound_as == "image" else (frames, bands)
            return TensorSpec(kind=self.sound_as, shape=shape)
        if self.method == "pca" and self.matrix is not None:
            return TensorSpec(kind="vector", shape=(self.matrix.shape[0],))
        return TensorSpec(kind=self.spec.kind, shape=self.spec.shape)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        if self.spec.kind == "tokens":
            return x.long()
        if self.log_mel is not None:
            return self._hear(x)
        x = (x.float() - self.offset) * self.factor
        if length is not None and self.spec.kind == "series":
            steps = torch.arange(x.shape[1], device=x.device)
            x = x.masked_fill((steps >= length[:, None])[:, :, None], 0.0)
        if self.matrix is None:
            return x
        return (x.flatten(1) @ self.matrix.T).unflatten(1, self.output.shape)

    def _hear(self, x: Tensor) -> Tensor:
        """(B, samples) -> the prepared spectrogram, in 32 bits whatever the net computes in."""
        assert self.log_mel is not None
        if torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                return self._hear(x)
        x = (self.log_mel(x) - self.offset) * self.factor  # (B, frames, bands)
        return x if self.sound_as == "series" else x.transpose(1, 2).unsqueeze(1)

    def extra_repr(self) -> str:
        return f"method={self.method!r}, {self.spec.shape} -> {self.output.shape}"


def make(
    config: PreparationConfig, spec: TensorSpec, statistics: Statistics | None = None
) -> Prepare:
    """The first layer, from figures of the training split.

    Raises:
        ConfigError: the method needs figures that are not there, or cannot be used on such samples.
    """
    if spec.kind == "sound":
        return _make_for_sounds(config, spec, statistics)
    method = config.method
    zero, one = torch.zeros(()), torch.ones(())
    if spec.kind == "tokens" or method == "none":
        return Prepare("none", spec, zero, one, None)
    if method == "scale" and statistics is None and spec.dtype == "uint8":
        return Prepare(method, spec, zero, one / 255, None)
    if statistics is None or (config.needs_covariance and statistics.covariance is None):
        raise _needs_statistics(method)
    if method == "scale":
        return Prepare(method, spec, *_to_unit(statistics, config.epsilon), None)
    mean = torch.from_numpy(statistics.mean).reshape(_sample_shape(statistics, spec))
    if method == "center":
        return Prepare(method, spec, mean, one, None)
    if method == "standardize":
        offset, deviation = _per_channel(statistics, spec, config.epsilon)
        return Prepare(method, spec, offset, 1 / deviation, None)
    return Prepare(method, spec, mean, one, _projection(config, statistics))


def _make_for_sounds(
    config: PreparationConfig, spec: TensorSpec, statistics: Statistics | None
) -> Prepare:
    """The first layer of sounds; the figures are of the bands of their spectrograms."""
    method = config.method
    check_sounds(config)
    offset, factor = torch.zeros(()), torch.ones(())
    if method != "none" and statistics is None:
        raise _needs_statistics(method)
    if statistics is not None and method == "scale":
        offset, factor = _to_unit(statistics, config.epsilon)
    elif statistics is not None and method != "none":
        offset = torch.from_numpy(statistics.mean)
        if method == "standardize":
            factor = 1 / (torch.from_numpy(statistics.variance) + config.epsilon).sqrt()
    return Prepare(method, spec, offset, factor, None, config.spectrogram)


def check_sounds(config: PreparationConfig) -> None:
    """Refuse what is not for sounds.

    Raises:
        ConfigError: the method mixes features, and a spectrogram's are at places of time.
    """
    if config.needs_covariance:
        raise ConfigError(
            f"preparation.method {config.method!r} mixes the features of a sample, and those of a "
            "sound move in time. Set it to standardize."
        )


def _needs_statistics(method: str) -> ConfigError:
    return ConfigError(
        f"preparation.method {method!r} needs statistics of the training split, got none. "
        "Compute them with workbench.data.fit_statistics, or set the method to none."
    )


def _to_unit(statistics: Statistics, epsilon: float) -> tuple[Tensor, Tensor]:
    """Offset and factor that bring the smallest value to 0 and the largest to 1."""
    low, high = statistics.minimum.min(), statistics.maximum.max()
    return torch.zeros(()) + low, torch.ones(()) / max(high - low, epsilon)


def _sample_shape(statistics: Statistics, spec: TensorSpec) -> tuple[int, ...]:
    """The sample's shape; (1, channels) for series of varying length, whose steps count alike."""
    if spec.kind == "series" and len(statistics.mean) == spec.shape[1]:
        return 1, spec.shape[1]
    return spec.shape


def _per_channel(statistics: Statistics, spec: TensorSpec, epsilon: float) -> tuple[Tensor, Tensor]:
    """Mean and deviation over all positions of a channel; of each feature of a vector."""
    shape = _sample_shape(statistics, spec)
    mean = torch.from_numpy(statistics.mean).reshape(shape)
    variance = torch.from_numpy(statistics.variance).reshape(shape)
    if spec.kind == "vector":
        return mean, (variance + epsilon).sqrt()
    positions = (1, 2) if spec.kind == "image" else (0,)
    centre = mean.mean(positions, keepdim=True)
    # Variance within the positions plus variance between them.
    total = variance.mean(positions, keepdim=True)
    total = total + ((mean - centre) ** 2).mean(positions, keepdim=True)
    return centre, (total + epsilon).sqrt()


def _projection(config: PreparationConfig, statistics: Statistics) -> Tensor:
    """Rows are axes. PCA: eigenvectors of the covariance; ZCA: U diag(1/sqrt(l + eps)) U^T
    (Bell & Sejnowski 1997; Krizhevsky 2009, appendix A)."""
    assert statistics.covariance is not None
    values, vectors = np.linalg.eigh(statistics.covariance)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    scale = 1 / np.sqrt(values + config.epsilon)
    if config.method == "zca":
        return torch.from_numpy(vectors * scale @ vectors.T)
    num_axes = config.num_components or len(values)
    if num_axes > len(values):
        raise ConfigError(
            f"preparation.num_components must be at most the {len(values)} features of a sample, "
            f"got {num_axes}."
        )
    # An eigenvector's sign is arbitrary: fix it, so that equal data gives an equal layer.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    axes = (vectors * signs)[:, :num_axes]
    return torch.from_numpy((axes * scale[:num_axes] if config.whiten else axes).T.copy())
