"""Log-mel spectrograms: the layer and NumPy compute the same, and bands are where tones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from scipy import signal

import nets
from nets import (
    CNNConfig,
    ConfigError,
    Custom,
    PreparationConfig,
    RNNConfig,
    SequenceCNNConfig,
    TensorSpec,
)
from nets.mel import FLOOR, SpectrogramConfig, log_mel
from nets.prepare import make
from nets.spectrogram import LogMel
from nets.statistics import Statistics, Sums
from tests.nets.test_custom import run_file

RATE = 8000
SPEC = TensorSpec(kind="sound", shape=(RATE // 2,), dtype="int16", rate=RATE)
CONFIG = SpectrogramConfig(num_bands=32)


def tone(hertz: float, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(SPEC.shape[0]) / RATE
    return np.round(32767 * amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def noise(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-9000, 9000, (rows, *SPEC.shape)).astype(np.int16)


def statistics(samples: np.ndarray) -> Statistics:
    sums = Sums(CONFIG.num_bands)
    sums.add(log_mel(samples, CONFIG, SPEC).reshape(-1, CONFIG.num_bands))
    return sums.statistics()


def test_the_layer_computes_what_numpy_computes() -> None:
    samples = np.concatenate([noise(70), [tone(440)], np.zeros((1, SPEC.shape[0]), np.int16)])
    layer = LogMel(CONFIG, SPEC)
    bands = layer(torch.from_numpy(samples)).numpy()
    assert bands.shape == (72, 48, 32)  # 1 + (4000 - 200) // 80 windows
    np.testing.assert_allclose(bands, log_mel(samples, CONFIG, SPEC), atol=1e-4)
    np.testing.assert_allclose(bands[-1], np.log(FLOOR), atol=1e-3)


def test_power_is_that_of_scipys_transform() -> None:
    wave = noise(1)[0] / 32768
    _, _, transform = signal.stft(
        wave, RATE, window="hann", nperseg=200, noverlap=120, boundary=None, padded=False
    )
    every = SpectrogramConfig(num_bands=1, low_hz=0)
    layer = LogMel(every, SPEC)
    windows = torch.from_numpy(noise(1)).float().div(32768).unfold(1, 200, 80)
    real, imaginary = (windows @ layer.fourier).chunk(2, dim=2)
    power = (real.square() + imaginary.square())[0].T.numpy()
    np.testing.assert_allclose(power, np.abs(transform) ** 2, rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize("hertz", [150, 440, 1000, 2500, 3500])
def test_a_tone_is_loudest_in_the_band_around_it(hertz: float) -> None:
    config = SpectrogramConfig(num_bands=32, low_hz=0)
    bands = log_mel(tone(hertz)[None], config, SPEC)[0].mean(0)
    mel = 2595 * np.log10(1 + np.array([hertz, RATE / 2]) / 700)
    place = mel[0] / mel[1] * 33 - 1  # the middle of the first band is at 1/33 of the range
    assert abs(bands.argmax() - place) <= 0.75


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (CNNConfig(), (1, 32, 48)),
        (RNNConfig(hidden=5), (48, 32)),
        (SequenceCNNConfig(channels=(4,), kernels=(3,)), (48, 32)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_saved_net_hears_the_same(
    tmp_path: Path, config: nets.NetConfig, shape: tuple[int, ...]
) -> None:
    preparation = PreparationConfig(spectrogram=CONFIG)
    samples = noise(9)
    prepare = make(preparation, SPEC, statistics(samples))
    net = nets.build(config, SPEC, 3, prepare=prepare).eval()
    assert prepare.output.shape == shape
    features = torch.from_numpy(samples)
    prepared = net.prepare(features)
    bands = prepared if prepared.dim() == 3 else prepared[:, 0].transpose(1, 2)
    torch.testing.assert_close(bands.mean((0, 1)), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(bands.std((0, 1)), torch.ones(32), atol=1e-2, rtol=0)

    nets.save(net, tmp_path)
    torch.testing.assert_close(nets.load(tmp_path)(features), net(features))
    nets.to_onnx(net, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    (scores,) = session.run(None, {"features": samples})
    np.testing.assert_allclose(scores, net(features).detach().numpy(), atol=1e-2)


def test_a_spectrogram_is_in_32_bits_where_the_net_computes_in_16() -> None:
    net = nets.build(CNNConfig(), SPEC, 3, prepare=make(PreparationConfig(method="none"), SPEC))
    features = torch.from_numpy(noise(2))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(net.prepare(features), net.float().prepare(features))
        assert net.prepare(features).dtype == torch.float32


@pytest.mark.parametrize(
    ("preparation", "message"),
    [
        (PreparationConfig(method="zca"), "mixes the features"),
        (PreparationConfig(spectrogram=SpectrogramConfig(window_ms=600)), "window_ms 600"),
        (PreparationConfig(spectrogram=SpectrogramConfig(high_hz=5000)), "at most half"),
        (PreparationConfig(spectrogram=SpectrogramConfig(low_hz=4000)), "below high_hz"),
    ],
)
def test_what_does_not_fit_is_refused(preparation: PreparationConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(preparation, SPEC, statistics(noise(1)))


def test_augmentations_of_others_are_refused() -> None:
    from nets.augment import Augment, AugmentConfig

    for change in ({"flip": True}, {"crop": 2}, {"jitter": 0.1}, {"time_mask": 3}):
        with pytest.raises(ConfigError, match="got sound rows"):
            Augment(AugmentConfig(**change), SPEC)


def test_an_own_net_says_how_it_takes_sounds(tmp_path: Path) -> None:
    (tmp_path / "own_sound.py").write_text(
        "from torch import nn\n"
        "class Frames(nn.Module):\n"
        "    sound_as = 'series'\n"
        "    def __init__(self, spec, num_outputs):\n"
        "        super().__init__()\n"
        "        self.recurrent = nn.GRU(spec.shape[1], 8, batch_first=True)\n"
        "        self.output = nn.Linear(8, num_outputs)\n"
        "    def forward(self, x, length=None):\n"
        "        return self.output(self.recurrent(x)[0].mean(1))\n"
        "class Odd(Frames):\n"
        "    sound_as = 'frames'\n"
    )
    own = run_file(tmp_path, "own_sound")
    prepare = make(PreparationConfig(method="none"), SPEC)
    net = nets.build(Custom(own.Frames), SPEC, 3, prepare=prepare)
    assert net.prepare.output.kind == "series"
    assert net(net.example(2)).shape == (2, 3)
    with pytest.raises(
        ConfigError, match="sound_as of Odd must be 'image' or 'series', got 'frames'"
    ):
        nets.build(Custom(own.Odd), SPEC, 3, prepare=prepare)
