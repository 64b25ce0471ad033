"""Encoded sounds to raw samples, by libsndfile: one decoder for training, scoring and the browser.

Every sound becomes mono of one rate and one length: channels are averaged, the middle of a longer
sound is kept, a shorter one is followed by silence.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from nets.errors import ConfigError
from nets.spec import TensorSpec
from workbench.errors import DataError

if TYPE_CHECKING:
    import soundfile

ENDINGS = (
    ".wav",
    ".wave",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
)
"""Usual endings of sound files."""

BEGINNINGS = (b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")

RESAMPLED, MIXED, CUT, PADDED, CLIPPED = 1, 2, 4, 8, 16
CHANGES = {
    "resampled": RESAMPLED,
    "mixed_to_mono": MIXED,
    "cut": CUT,
    "padded": PADDED,
    "clipped": CLIPPED,
}
"""What was done to a sound: a bit each, by the name of its count."""

_MOST_RATE, _MOST_SAMPLES = 768_000, 2**24
_SIZE_UNKNOWN = 0x7FFFF000
"""WAV files that were written as streams state such sizes or larger ones."""
_LOUDEST = 16.0
"""Floating point samples beyond this are whole numbers of another scale, as +-32768."""
_MARGIN = 64
"""Samples on each side that the filter of a resampling needs."""


def sound_spec(rate: int, seconds: float) -> TensorSpec:
    """The spec of sounds of so many samples a second, and so long.

    Raises:
        ConfigError: it would be shorter than one sample, or longer than 16 million.
    """
    samples = round(rate * seconds)
    if not 1 <= samples <= _MOST_SAMPLES:
        raise ConfigError(
            f"rate * seconds must be from 1 to {_MOST_SAMPLES:,} samples, got {rate} * {seconds:g}. Set "
            "data.source.seconds to about the length of a sound."
        )
    return TensorSpec(kind="sound", shape=(samples,), dtype="int16", rate=rate)


def is_sound(content: bytes) -> bool:
    """Whether bytes begin as a sound file does."""
    wave = content[:4] in (b"RIFF", b"RIFX", b"RF64") and content[8:12] == b"WAVE"
    return wave or content.startswith(BEGINNINGS)


def decode_all(
    contents: Iterable[bytes | None], spec: TensorSpec, out: np.ndarray
) -> tuple[list[str | None], np.ndarray]:
    """Decode sounds into the rows of `out`, (n, spec.num_bytes) uint8.

    Content of exactly `spec.num_bytes` bytes without the beginning of a sound file is taken as raw
    samples.

    Returns:
        for each sound, the reason why it cannot be decoded, or None; and what was done to it, (n,)
        int32 of the bits in `CHANGES`.
    """
    reasons: list[str | None] = []
    changes = np.zeros(len(out), np.int32)
    for i, content in enumerate(contents):
        reason = None
        if content is None:
            reason = "the sound is null"
        elif len(content) == spec.num_bytes and not is_sound(content):
            out[i] = np.frombuffer(content, np.uint8)
        else:
            try:
                samples, changes[i] = decode(content, spec)
                out[i] = samples.view(np.uint8)
            except ValueError as error:
                reason = str(error)
        reasons.append(reason)
    return reasons, changes


def decode(content: bytes, spec: TensorSpec) -> tuple[np.ndarray, int]:
    """One sound as (samples,) int16, and what was done to it.

    Raises:
        ValueError: it is no sound, is empty or cut short, or has values that are no numbers.
    """
    if not content:
        raise ValueError("an empty file")
    if content.startswith(b"RIFF") and len(content) < _wave_size(content) < _SIZE_UNKNOWN:
        raise ValueError(
            f"cut short: its header says {_wave_size(content)} bytes, and it has {len(content)}"
        )
    soundfile = load_soundfile()
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            return _read(file, spec)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"not a sound that libsndfile reads: {error.error_string}") from None


def _wave_size(content: bytes) -> int:
    """Bytes of a WAV file, as its header says."""
    return 8 + int.from_bytes(content[4:8], "little")


def load_soundfile() -> Any:
    """The package soundfile.

    Raises:
        DataError: it is not installed.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise DataError(
            f"Sounds are read by the package soundfile, which cannot be loaded ({error}). Install it on "
            "every machine: pip install 'ray-on-spark-workbench[sound]'."
        ) from error
    return soundfile


def _read(file: soundfile.SoundFile, spec: TensorSpec) -> tuple[np.ndarray, int]:
    rate, wanted = spec.rate or 1, spec.shape[0]
    if not 1 <= file.samplerate <= _MOST_RATE:
        raise ValueError(f"{file.samplerate} samples a second")
    changes = MIXED if file.channels > 1 else 0
    needed = math.ceil(wanted * file.samplerate / rate)
    if file.frames > needed:
        changes |= CUT
    # Whole periods of the two rates, so that what is cut off in front is whole samples of both.
    period = file.samplerate // math.gcd(file.samplerate, rate)
    reach = _MARGIN * max(1, math.ceil(file.samplerate / rate)) if file.samplerate != rate else 0
    margin = math.ceil(reach / period) * period
    start = max(0, (file.frames - needed) // 2)
    before = margin if start >= margin else start // period * period
    file.seek(start - before)
    wave = file.read(before + min(needed, file.frames) + margin, dtype="float32", always_2d=True)
    if not len(wave):
        raise ValueError("a sound without samples")
    if len(wave) < before + min(needed, file.frames - start):
        raise ValueError(f"cut short: {file.frames} samples are stated")
    mono = wave.mean(axis=1)
    if not np.isfinite(mono).all():
        raise ValueError("samples that are NaN or infinite")
    peak = float(np.abs(mono).max())
    if peak > _LOUDEST:
        raise ValueError(
            f"floating point samples up to {peak:g}, and full scale is 1: divide them by it"
        )
    if peak > 1:  # only floating point can be
        changes |= CLIPPED
    if file.samplerate != rate:
        changes |= RESAMPLED
        mono = _resample(mono, file.samplerate, rate)[round(before * rate / file.samplerate) :]
    else:
        mono = mono[before:]
    out = np.zeros(wanted, np.int16)
    mono = mono[:wanted]
    if file.frames < needed:
        changes |= PADDED
        mono = mono[: math.ceil(file.frames * rate / file.samplerate)]
    out[: len(mono)] = np.clip(np.round(mono * 32768), -32768, 32767)
    return out, changes


def _resample(wave: np.ndarray, old: int, new: int) -> np.ndarray:
    """By a polyphase filter, which takes out what the new rate cannot hold."""
    from scipy.signal import resample_poly

    common = math.gcd(old, new)
    return np.asarray(resample_poly(wave, new // common, old // common))
