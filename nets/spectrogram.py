"""The first layer of nets for sounds: log-mel spectrograms, computed on the net's device.

The discrete Fourier transform is a product with a matrix: a window is a few hundred samples, and a
product runs on every device and in ONNX.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nets.mel import FLOOR, FULL_SCALE, SpectrogramConfig, make_matrices, measure_frames
from nets.spec import TensorSpec

__all__ = ["LogMel", "SpectrogramConfig"]


class LogMel(nn.Module):
    """Waveforms (B, samples) int16 -> (B, frames, bands) float32; the last incomplete window is left out.

    Raises:
        ConfigError: the windows or bands do not fit the sounds.
    """

    fourier: Tensor
    bands: Tensor

    def __init__(self, config: SpectrogramConfig, spec: TensorSpec) -> None:
        super().__init__()
        self.config, self.num_bands = config, config.num_bands
        self.window, self.hop, self.frames = measure_frames(config, spec)
        # Functions of the settings alone: a saved net needs no copy of them.
        fourier, bands = make_matrices(config, spec)
        self.register_buffer("fourier", torch.from_numpy(fourier), persistent=False)
        self.register_buffer("bands", torch.from_numpy(bands), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        windows = (x.float() / FULL_SCALE).unfold(1, self.window, self.hop)  # (B, frames, window)
        real, imaginary = (windows @ self.fourier).chunk(2, dim=2)
        power = real.square() + imaginary.square()
        return torch.log(power @ self.bands + FLOOR)

    def extra_repr(self) -> str:
        return f"window={self.window}, hop={self.hop}, frames={self.frames}, bands={self.num_bands}"
