"""Some samples of a source as a net gets them: a contact sheet, and a file for the Data page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nets.config import to_dict
from nets.mel import SpectrogramConfig, log_mel

if TYPE_CHECKING:
    from workbench.data import CanonicalFrame

_PER_CLASS, _CLASSES = 10, 20
"""Samples per class and classes on the sheet; without classes, 10 x 10 samples."""
_MOST_BYTES = 32 * 2**20
"""Of samples that are read and kept."""
_MEASURED_ROWS, _MEASURED_FEATURES = 2_000, 64
"""Rows and features of vectors whose values are kept for histograms, and rows whose lengths are."""


class Sample(NamedTuple):
    """One row."""

    features: np.ndarray
    length: int | None
    label: Any
    key: str
    split: str


def choose_samples(canonical: CanonicalFrame) -> dict[str, list[Sample]]:
    """Some samples by class (without classes under ""), always the same."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    classes = canonical.labels is not None
    group, most = (F.col("label"), _PER_CLASS) if classes else (F.lit(0), _PER_CLASS**2)
    groups = min(_CLASSES, len(canonical.labels)) if canonical.labels is not None else 1
    most = max(1, min(most, _MOST_BYTES // canonical.spec.num_bytes // groups))
    keys = canonical.frame.select(group.alias("group"), "key")
    if classes:
        keys = keys.where(F.col("label") < _CLASSES)
    rank = F.row_number().over(Window.partitionBy("group").orderBy(F.xxhash64("key"), "key"))
    chosen_keys = [
        row["key"] for row in keys.withColumn("rank", rank).where(F.col("rank") <= most).collect()
    ]
    names = ("features", "label", "key", "split", "length")
    columns = [name for name in names if name in canonical.frame.columns]
    rows = canonical.frame.where(F.col("key").isin(chosen_keys)).select(*columns).collect()
    samples: dict[str, list[Sample]] = {}
    for row in sorted(rows, key=lambda row: (row["label"] if classes else 0, row["key"])):
        sample = np.frombuffer(row["features"], canonical.spec.dtype).reshape(canonical.spec.shape)
        name = canonical.labels[row["label"]] if canonical.labels is not None else ""
        if len(samples.setdefault(name, [])) < most:  # keys of equal rows are equal
            length = row["length"] if "length" in columns else None
            samples[name].append(Sample(sample, length, row["label"], row["key"], row["split"]))
    return samples


def keep_samples(chosen: dict[str, list[Sample]], canonical: CanonicalFrame, path: Path) -> Path:
    """Write `chosen` as a NumPy file (no pickles): features (n, *shape), label, key, split, class, length.

    `values` (rows, features) holds more rows of vectors, `lengths` those of text and series, for
    histograms; `facts` is JSON: spec, names of features, vocabulary, targets of a forecast.
    """
    rows = [(name, sample) for name, samples in chosen.items() for sample in samples]
    arrays: dict[str, Any] = {
        "features": np.stack([sample.features for _, sample in rows]),
        "label": np.array([sample.label for _, sample in rows], np.float64),
        "key": np.array([sample.key for _, sample in rows]),
        "split": np.array([sample.split for _, sample in rows]),
        "class": np.array([name for name, _ in rows]),
    }
    if rows[0][1].length is not None:
        arrays["length"] = np.array([sample.length for _, sample in rows])
    facts = {
        "spec": to_dict(canonical.spec),
        "feature_names": list(canonical.feature_names),
        "text": None if canonical.text is None else to_dict(canonical.text),
        "forecast": None
        if canonical.forecast is None
        else {"targets": canonical.forecast.targets, "horizon": canonical.forecast.horizon},
    }
    arrays |= {"facts": np.array(json.dumps(facts)), **_measure(canonical)}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return path


def _measure(canonical: CanonicalFrame) -> dict[str, np.ndarray]:
    """Values of some rows by the hash of their keys, for histograms."""
    from pyspark.sql import functions as F

    spec, frame = canonical.spec, canonical.frame
    some = frame.orderBy(F.xxhash64("key")).limit(_MEASURED_ROWS)
    if spec.kind == "vector":
        rows = [bytes(row["features"]) for row in some.select("features").collect()]
        values = np.frombuffer(b"".join(rows), spec.dtype).reshape(len(rows), -1)
        return {"values": values[:, :_MEASURED_FEATURES]}
    if "length" in frame.columns:
        lengths = [row["length"] for row in some.select("length").collect()]
        return {"lengths": np.array(lengths)}
    return {}


def show_texts(chosen: dict[str, list[Sample]], canonical: CanonicalFrame) -> dict[str, list[str]]:
    """Some texts of each class, as the net reads them."""
    if canonical.text is None:
        return {}
    vocabulary = canonical.text.vocabulary
    joint = "" if canonical.text.tokenizer == "characters" else " "
    return {
        name: [
            joint.join(vocabulary[i] for i in row.features[: row.length].tolist())
            for row in rows[:3]
        ]
        for name, rows in chosen.items()
    }


def draw_sheet(chosen: dict[str, list[Sample]], canonical: CanonicalFrame, path: Path) -> None:
    """Draw a row of tiles per class, with its name; series and vectors as maps of their values,
    sounds as spectrograms."""
    from PIL import Image, ImageDraw

    from nets.inside import montage

    maps = {name: _maps([row.features for row in rows], canonical) for name, rows in chosen.items()}
    bounds = (-255.0, 255.0)
    if canonical.spec.kind != "image":
        bounds = (min(m.min() for m in maps.values()), max(m.max() for m in maps.values()))
    rows = [
        (name, Image.fromarray(montage(some, columns=_PER_CLASS, bounds=bounds, tile=64)))
        for name, some in maps.items()
    ]
    margin = 8 + max(int(ImageDraw.Draw(rows[0][1]).textlength(name)) for name, _ in rows)
    width = margin + max(row.width for _, row in rows)
    sheet = Image.new("RGB", (width, sum(row.height + 4 for _, row in rows)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for name, row in rows:
        pen.text((4, top + row.height // 2 - 6), name, fill="black")
        sheet.paste(row, (margin, top))
        top += row.height + 4
    sheet.save(path)


def _maps(samples: list[np.ndarray], canonical: CanonicalFrame) -> np.ndarray:
    """Input of a montage: pictures, or maps with steps from left to right and a line per channel."""
    from nets.inside import picture

    if canonical.spec.kind == "image":
        # A montage shows 0 as grey.
        return np.stack([2.0 * picture(sample) - 255 for sample in samples])
    if canonical.spec.kind == "sound":
        bands = log_mel(np.stack(samples), SpectrogramConfig(), canonical.spec)
        return bands.transpose(0, 2, 1)[:, ::-1]  # high bands at the top
    return np.stack([sample.reshape(sample.shape[0], -1).T for sample in samples])
