"""Sounds: a small CNN over the log-mel spectrogram, which the net's first layer computes.

The form of the usual keyword spotters and sound taggers (Sainath & Parada 2015; Kong et al. 2020, PANNs):
blocks of convolution and pooling over 64 bands. Where a pattern lies in the bands and in time has a
meaning, so maps are not averaged as a whole.
"""

from __future__ import annotations

from nets import CNNConfig, PreparationConfig
from nets.mel import SpectrogramConfig, measure_frames
from nets.spec import TensorSpec
from workbench.experiments.recipes.facts import Facts, Recipe, explain_learned, one_cycle
from workbench.experiments.recipes.pictures import choose_blocks

_FEWEST_FRAMES, _MOST_FRAMES = 32, 400


def sound(facts: Facts) -> Recipe:
    """Blocks of convolution and pooling over 32 to 400 frames."""
    spectrogram, frames = _choose_spectrogram(facts)
    return Recipe(
        net=CNNConfig(
            blocks=choose_blocks(min(spectrogram.num_bands, frames)),
            dense=(128,),
            activation="relu",
            dropout=0.3,
        ),
        training=one_cycle(
            facts, seen=60_000, fewest=10, most=60, most_batch=64, learning_rate=2e-3
        ),
        preparation=PreparationConfig(spectrogram=spectrogram),
        heavy=True,
        why=(
            f"A small convolutional net over log-mel spectrograms of {spectrogram.num_bands} bands and "
            f"{frames} frames.",
            *explain_learned(facts),
        ),
    )


def _choose_spectrogram(facts: Facts) -> tuple[SpectrogramConfig, int]:
    """The usual 25 ms every 10 ms; other steps for very short and for long sounds."""
    spec = TensorSpec(kind="sound", shape=facts.shape, dtype="int16", rate=facts.rate)
    length = 1000 * facts.shape[0] / (facts.rate or 1)  # milliseconds
    usual = SpectrogramConfig()
    window = min(usual.window_ms, length / 2)
    hop = usual.hop_ms
    if length / hop > _MOST_FRAMES:
        hop = float(-(-length // _MOST_FRAMES))
    elif (length - window) / hop < _FEWEST_FRAMES:
        hop = round((length - window) / _FEWEST_FRAMES, 3)
    chosen = SpectrogramConfig(window_ms=max(window, hop), hop_ms=hop)
    return chosen, measure_frames(chosen, spec)[2]
