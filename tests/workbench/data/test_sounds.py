"""Sounds of files and tables become waveforms of one rate and length."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from nets import ConfigError
from workbench.data import guess_source, read
from workbench.data.sounds import (
    CLIPPED,
    CUT,
    MIXED,
    PADDED,
    RESAMPLED,
    decode,
    is_sound,
    sound_spec,
)
from workbench.data.sources import SoundFolderSource, SoundTableSource
from workbench.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RATE = 8000


def tone(hertz: float = 440, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return 0.5 * np.sin(2 * np.pi * hertz * time)


def encode(wave: np.ndarray, rate: int = RATE, form: str = "WAV", kind: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format=form, subtype=kind)
    return buffer.getvalue()


def write(path: Path, wave: np.ndarray, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)


def samples_of(canonical: Any) -> dict[str, np.ndarray]:
    rows = canonical.frame.select("key", "features").collect()
    return {row["key"]: np.frombuffer(row["features"], np.int16) for row in rows}


# ---- one sound


@pytest.mark.parametrize("form", ["WAV", "FLAC", "AIFF"])
def test_samples_of_the_right_rate_and_length_stay_as_they_are(form: str) -> None:
    wave = np.random.default_rng(0).integers(-32768, 32767, 4000).astype(np.int16)
    samples, changes = decode(encode(wave, form=form), sound_spec(RATE, 0.5))
    np.testing.assert_array_equal(samples, wave)
    assert changes == 0


def test_channels_are_averaged_and_a_short_sound_is_followed_by_silence() -> None:
    left, right = tone(300), tone(900)
    samples, changes = decode(encode(np.stack([left, right], 1)), sound_spec(RATE, 1.0))
    assert changes == MIXED | PADDED
    np.testing.assert_allclose(samples[:4000] / 32768, (left + right) / 2, atol=1e-4)
    assert not samples[4000:].any()


def test_the_middle_of_a_long_sound_is_kept() -> None:
    wave = np.arange(8001).astype(np.int16)
    samples, changes = decode(encode(wave), sound_spec(RATE, 0.5))
    assert changes == CUT
    np.testing.assert_array_equal(samples, np.arange(2000, 6000))


@pytest.mark.parametrize("old", [44100, 16000, 6000])
@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_another_rate_is_resampled_in_time(old: int, seconds: float) -> None:
    time = np.arange(round(seconds * old)) / old
    wave = 0.5 * np.sin(2 * np.pi * 440 * time)
    samples, changes = decode(encode(wave, old), sound_spec(RATE, 0.5))
    assert changes == RESAMPLED | (CUT if seconds > 1 else 0)
    start = max(0, (len(wave) - round(old / 2)) // 2) / old
    expected = 0.5 * np.sin(2 * np.pi * 440 * (start + np.arange(4000) / RATE))
    inner = slice(50, -50)  # a sound that begins at its first sample rings there
    np.testing.assert_allclose(samples[inner] / 32768, expected[inner], atol=0.02)


def test_what_the_new_rate_cannot_hold_is_taken_out() -> None:
    samples, _ = decode(encode(tone(6000, rate=44100), 44100), sound_spec(RATE, 0.5))
    assert np.abs(samples[100:-100]).max() < 500  # it would be heard as 2,000 Hz


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"no sound at all", "not a sound that libsndfile reads"),
        (encode(tone())[:3000], "cut short"),
        (encode(tone()[:0]), "without samples"),
        (encode(np.full(4000, np.nan), kind="FLOAT"), "NaN or infinite"),
        (encode(tone() * 32768, kind="FLOAT"), "up to .*, and full scale is 1"),
    ],
    ids=["empty", "text", "cut", "no samples", "nan", "other scale"],
)
def test_what_is_no_sound_has_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(content, sound_spec(RATE, 0.5))


def test_floating_point_beyond_full_scale_is_counted() -> None:
    loud = decode(encode(np.full(4000, 1.5), kind="FLOAT"), sound_spec(RATE, 0.5))
    assert (loud[0].max(), loud[1]) == (32767, CLIPPED)
    assert decode(encode(np.full(4000, 1.0), kind="FLOAT"), sound_spec(RATE, 0.5))[1] == 0


def test_a_picture_that_begins_with_riff_is_no_sound() -> None:
    assert is_sound(encode(tone()))
    assert not is_sound(b"RIFF\x24\x00\x00\x00WEBPVP8 ")


def test_a_length_of_no_samples_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.source\.seconds"):
        SoundFolderSource(path="x", seconds=0.00001)


# ---- folders


def test_folders_of_classes(spark: SparkSession, tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "high" / f"{i}.wav", tone(1000 + i))
        write(tmp_path / "low" / f"{i}.flac", tone(200 + i, 0.3))
    write(tmp_path / "low" / "stereo.wav", np.stack([tone(rate=16000), tone(rate=16000)], 1), 16000)
    (tmp_path / "low" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "low" / "notes.txt").write_text("recorded at night")
    (tmp_path / ".DS_Store").write_bytes(b"")
    source = SoundFolderSource(path=str(tmp_path), rate=RATE, seconds=0.5)
    canonical = read(source, spark)
    assert canonical.labels == ("high", "low")
    assert canonical.spec == sound_spec(RATE, 0.5)
    samples = samples_of(canonical)
    assert len(samples) == 7
    np.testing.assert_allclose(samples["high/1.wav"] / 32768, tone(1001), atol=1e-4)
    assert canonical.bad is not None
    (bad,) = canonical.bad.collect()
    assert bad["key"] == "low/broken.wav"
    assert "Not sounds, and ignored: *.txt (1)." in canonical.decided
    assert "Ignored: .DS_Store (1)." in canonical.decided
    counts = canonical.frame.agg(*(c.alias(n) for n, c in canonical.measures.items())).collect()[0]
    assert counts.asDict() == {
        "resampled": 1,
        "mixed_to_mono": 1,
        "cut": 0,
        "padded": 3,
        "clipped": 0,
    }


def test_folders_and_lists_of_splits(spark: SparkSession, tmp_path: Path) -> None:
    for split in ("train", "Valid", "testing"):
        for name in ("a", "b"):
            write(tmp_path / "folders" / split / name / "1.wav", tone())
    source = SoundFolderSource(path=str(tmp_path / "folders"), rate=RATE, seconds=0.5)
    rows = read(source, spark).frame.groupBy("split").count().collect()
    assert {row["split"]: row["count"] for row in rows} == {None: 2, "validation": 2, "test": 2}

    for name in ("yes", "no"):
        for i in range(4):
            write(tmp_path / "commands" / name / f"{i}.wav", tone())
    (tmp_path / "commands" / "testing_list.txt").write_text("yes/0.wav\nno/0.wav\nno/9.wav\n")
    (tmp_path / "commands" / "validation_list.txt").write_text("yes/1.wav\n")
    source = SoundFolderSource(path=str(tmp_path / "commands"), rate=RATE, seconds=0.5)
    canonical = read(source, spark)
    rows = canonical.frame.where("split is not null").select("key", "split").collect()
    assert {row["key"]: row["split"] for row in rows} == {
        "yes/0.wav": "test",
        "no/0.wav": "test",
        "yes/1.wav": "validation",
    }
    assert canonical.official_test
    assert canonical.official_validation
    said = " ".join(canonical.decided)
    assert "testing_list.txt is the test split (2 files; 1 of its lines name no file here)" in said
    anew = read(SoundFolderSource(path=source.path, rate=RATE, seconds=0.5, splits={}), spark)
    assert not anew.official_test


def test_a_table_of_file_names_and_classes(spark: SparkSession, tmp_path: Path) -> None:
    for i in range(4):
        write(tmp_path / "audio" / f"{i}.wav", tone(300 + i))
    (tmp_path / "meta.csv").write_text(
        "filename,category\n" + "".join(f"{i}.wav,{'dog' if i % 2 else 'rain'}\n" for i in range(4))
    )
    assert guess_source(str(tmp_path))["kind"] == "sound_folder"
    canonical = read(SoundFolderSource(path=str(tmp_path), rate=RATE, seconds=0.5), spark)
    assert canonical.labels == ("dog", "rain")
    rows = canonical.frame.select("key", "label").collect()
    assert {row["key"]: row["label"] for row in rows} == {
        f"audio/{i}.wav": int(i % 2 == 0) for i in range(4)
    }


# ---- tables


@pytest.fixture
def huggingface(tmp_path: Path) -> Path:
    """As HuggingFace's datasets writes sounds and classes, with files for the splits."""
    features = {
        "audio": {"_type": "Audio"},
        "label": {"_type": "ClassLabel", "names": ["low", "high"]},
    }
    facts = json.dumps({"info": {"features": features}})
    for split, rows in (("train", range(6)), ("test", range(6, 8))):
        sounds = [
            {"bytes": encode(tone(200 + 800 * (i % 2) + i), form="FLAC"), "path": f"{i}.flac"}
            for i in rows
        ]
        table = pa.table({"audio": sounds, "label": [i % 2 for i in rows]})
        table = table.replace_schema_metadata({"huggingface": facts})
        pq.write_table(table, tmp_path / f"{split}-00000-of-00001.parquet")
    return tmp_path


def test_sounds_in_parquet(spark: SparkSession, huggingface: Path) -> None:
    settings = guess_source(str(huggingface))
    assert settings == {
        **{"kind": "sound_table", "format": "parquet", "path": str(huggingface)},
        **{"sound": "audio", "label": "label", "rate": RATE, "seconds": 0.5},
    }
    canonical = read(SoundTableSource(**settings), spark)
    assert canonical.labels == ("low", "high")
    assert canonical.official_test
    samples = samples_of(canonical)
    assert len(samples) == 8
    loudest = sorted(int(np.abs(np.fft.rfft(wave)).argmax()) * 2 for wave in samples.values())
    assert loudest == pytest.approx([200, 202, 204, 206, 1001, 1003, 1005, 1007], abs=1)
    assert "Sounds are the field bytes of the column audio." in canonical.decided
    named = read(SoundTableSource(**settings | {"sound": "audio.bytes"}), spark)
    assert set(samples_of(named)) == set(samples)


def test_a_column_that_holds_no_sounds_is_said(spark: SparkSession, huggingface: Path) -> None:
    with pytest.raises(DataError, match=r"--set data\.source\.sound=COLUMN"):
        read(SoundTableSource(path=str(huggingface), sound="speech"), spark)
