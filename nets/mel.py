"""Log-mel spectrograms: what a net hears of a waveform.

Power of short overlapping windows (Hann), summed into bands that are evenly spaced in mel
(O'Shaughnessy 1987), as a logarithm. Here by NumPy, without torch, whose import would be most of the
time of a Spark task; `nets.spectrogram` has the layer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from nets.config import config
from nets.errors import ConfigError
from nets.spec import TensorSpec

FLOOR = 1e-8
"""Added to a band's power before its logarithm: silence is a number. Full scale is 1."""

FULL_SCALE = 32768
"""The int16 value that stands for 1."""

_SLICE = 64
"""Sounds that `log_mel` transforms at once."""


@config
class SpectrogramConfig:
    """sound: how a waveform becomes a spectrogram, which is what the net learns from."""

    num_bands: int = Field(default=64, ge=1)
    """Bands, evenly spaced in mel."""
    window_ms: float = Field(default=25.0, gt=0)
    """Length of a window, in milliseconds."""
    hop_ms: float = Field(default=10.0, gt=0)
    """From one window to the next, in milliseconds."""
    low_hz: float = Field(default=20.0, ge=0)
    """Lower end of the lowest band."""
    high_hz: float | None = Field(default=None, gt=0)
    """Upper end of the highest band; None: half the samples a second, the highest there is."""


def measure_frames(config: SpectrogramConfig, spec: TensorSpec) -> tuple[int, int, int]:
    """Samples of a window, samples from one to the next, and windows in a sound.

    Raises:
        ConfigError: no window fits, or the bands are outside what the sounds hold.
    """
    rate = _rate_of(spec)
    window = max(1, round(rate * config.window_ms / 1000))
    hop = max(1, round(rate * config.hop_ms / 1000))
    if window > spec.shape[0]:
        raise ConfigError(
            f"preparation.spectrogram.window_ms {config.window_ms:g} is longer than a sound, which has "
            f"{spec.shape[0] * 1000 / rate:g} ms. Set a shorter window."
        )
    high = config.high_hz or rate / 2
    if high > rate / 2 or config.low_hz >= high:
        raise ConfigError(
            "preparation.spectrogram: low_hz must be below high_hz, and this at most half the "
            f"{rate} samples a second, got {config.low_hz:g} and {high:g}."
        )
    return window, hop, 1 + (spec.shape[0] - window) // hop


def log_mel(
    samples: NDArray[np.int16], config: SpectrogramConfig, spec: TensorSpec
) -> NDArray[np.float32]:
    """What the layer `LogMel` computes: for Spark's tasks, and for pictures of sounds.

    (n, samples) int16 -> (n, frames, bands).
    """
    window, hop, frames = measure_frames(config, spec)
    fourier, bands = make_matrices(config, spec)
    out = np.empty((len(samples), frames, config.num_bands), np.float32)
    for start in range(0, len(samples), _SLICE):
        wave = samples[start : start + _SLICE].astype(np.float32) / FULL_SCALE
        windows = np.lib.stride_tricks.sliding_window_view(wave, window, axis=1)[:, ::hop]
        parts = windows @ fourier
        half = parts.shape[2] // 2
        power = parts[..., :half] ** 2 + parts[..., half:] ** 2
        out[start : start + _SLICE] = np.log(power @ bands + np.float32(FLOOR))
    return out


def _rate_of(spec: TensorSpec) -> int:
    assert spec.rate is not None
    return spec.rate


def make_matrices(
    config: SpectrogramConfig, spec: TensorSpec
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(window, 2 * bins) cosines and sines below a Hann window; (bins, bands) weights of the bins.

    A sine of full scale has the power 1/4 in its bin, however long the window is.
    """
    rate = _rate_of(spec)
    window, _, _ = measure_frames(config, spec)
    bins = window // 2 + 1
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    angle = 2 * np.pi * np.outer(np.arange(window), np.arange(bins)) / window
    fourier = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * hann[:, None]
    return (fourier / max(hann.sum(), 1e-9)).astype(np.float32), _make_bands(config, rate, window)


def _make_bands(config: SpectrogramConfig, rate: int, window: int) -> NDArray[np.float32]:
    """(bins, bands): triangles, each from the middle of the band below to that of the band above."""
    high = config.high_hz or rate / 2
    edges = _to_hz(np.linspace(_to_mel(config.low_hz), _to_mel(high), config.num_bands + 2))
    hertz = np.arange(window // 2 + 1) * rate / window
    lower, middle, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (hertz[:, None] - lower) / (middle - lower)
    falling = (upper - hertz[:, None]) / (upper - middle)
    weights = np.maximum(0, np.minimum(rising, falling))
    # A band between two bins takes the nearest one: low bands are narrower than a bin.
    for band in np.flatnonzero(weights.sum(0) == 0):
        weights[np.abs(hertz - middle[band]).argmin(), band] = 1.0
    return weights.astype(np.float32)


def _to_mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 * (10 ** (mel / 2595) - 1)
