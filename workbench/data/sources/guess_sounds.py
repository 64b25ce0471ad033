"""Sounds at a path, and the rate and length that fit them, by the headers of some files."""

from __future__ import annotations

import io
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.data.sounds import ENDINGS, is_sound, load_soundfile
from workbench.data.sources.archives import list_members, read_member
from workbench.data.sources.picture_columns import LABELS, read_class_names

_HEADERS = 100
_MOST_RATE, _MOST_SECONDS = 16_000, 10.0
_ROWS = 20
NAMES = ("audio", "sound", "speech", "wav", "waveform", "clip", "recording")


def guess_sound_folder(path: Path, names: Iterable[str]) -> dict[str, Any] | None:
    """Settings of a folder of sounds; None where it holds none.

    Args:
        names: its files, from the folder.
    """
    files = [name for name in names if Path(name).suffix.lower() in ENDINGS]
    if not files:
        return None
    step = max(1, len(files) // _HEADERS)
    measured = measure(str(path / name) for name in files[::step])
    return {"kind": "sound_folder", **measured}


def guess_sound_archive(archive: Path) -> dict[str, Any]:
    """Settings of an archive of sounds, by the first of them."""
    found = (
        member
        for name, member in list_members(archive)
        if Path(name).suffix.lower() in ENDINGS and not Path(name).name.startswith(".")
    )
    files = []
    for member in itertools.islice(found, _ROWS):
        with suppress(zlib.error):  # a damaged one is a bad row later
            files.append(io.BytesIO(read_member(archive, member)))
    return {"kind": "sound_tars", **measure(files)}


def guess_sound_columns(file: Path) -> dict[str, Any] | None:
    """Settings of a Parquet file whose rows hold sounds; None where they do not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
        schema = opened.schema_arrow
        names = [field.name for field in schema if _may_be_sounds(field.type)]
        batch = next(opened.iter_batches(_ROWS, columns=names), None) if names else None
    except (pa.ArrowException, OSError):
        return None
    for name in names if batch is not None else ():
        assert batch is not None
        contents = [_content(value) for value in batch.column(name).to_pylist()]
        sounds = [content for content in contents if content and is_sound(content)]
        if not sounds:
            continue
        others = [n for n in schema.names if n != name]
        classes = list(read_class_names(file))
        usual = [n for label in LABELS for n in others if n.lower() == label]
        label = next((some[0] for some in (classes, usual) if some), None)
        if label is None and len(others) == 1:
            label = others[0]
        named = {"label": label} if label is not None else {}
        measured = measure(io.BytesIO(sound) for sound in sounds)
        return {"kind": "sound_table", "format": "parquet", "sound": name, **named, **measured}
    return None


def measure(files: Iterable[Any]) -> dict[str, Any]:
    """`rate`, the commonest up to 16,000, and `seconds`, up to 10, as nine in ten have at most; {} if no file can be read."""
    soundfile = load_soundfile()
    rates: Counter[int] = Counter()
    seconds = []
    for file in files:
        try:
            info = soundfile.info(file)
        except (soundfile.LibsndfileError, OSError):
            continue
        rates[info.samplerate] += 1
        seconds.append(info.frames / max(1, info.samplerate))
    if not rates or not max(seconds):
        return {}
    rate = min(_MOST_RATE, rates.most_common(1)[0][0])
    most = min(_MOST_SECONDS, sorted(seconds)[(len(seconds) * 9 - 1) // 10])
    # In hundredths, and at least one: a length is to be read by people.
    return {"rate": rate, "seconds": max(0.01, round(most, 2))}


def describe_sounds(settings: dict[str, Any]) -> list[str]:
    """What was guessed about sounds, with the settings that overrule it."""
    rate, seconds = settings.get("rate", 16_000), settings.get("seconds", 1.0)
    return [
        f"Taken for sounds: {seconds:g} s at {rate:,} samples a second, by the commonest rate (16,000 at "
        "most) and the length (10 s at most) that nine in ten of some files do not exceed. Channels are "
        "averaged, the middle of longer sounds is kept, shorter ones are followed by silence: --set data.source.seconds=SECONDS, "
        "data.source.rate=RATE."
    ]


def _may_be_sounds(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(i).name for i in range(kind.num_fields)}
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _content(value: Any) -> bytes | None:
    content = value.get("bytes") if isinstance(value, dict) else value
    return content if isinstance(content, bytes) else None
