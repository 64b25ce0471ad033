"""Samples of data as a net gets them: pictures, texts, series, sounds and numbers, before and after augmentation."""

from __future__ import annotations

import html
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from nets import TensorSpec
from nets.config import from_dict
from nets.mel import SpectrogramConfig, log_mel
from workbench.ui import charts

_SHOWN, _TEXTS, _LINES, _SOUNDS = 10, 3, 6, 3
"""Pictures, texts, series and sounds of a class, at most."""
_COLUMNS, _BINS = 12, 24
_UNKNOWN = 1


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What `workbench.preflight.samples.keep_samples` wrote."""

    spec: TensorSpec
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]

    @property
    def classes(self) -> list[str]:
        return list(dict.fromkeys(self.arrays["class"].tolist()))

    def rows(self, label: str, most: int) -> np.ndarray:
        """The first samples of a class, by number."""
        return np.flatnonzero(self.arrays["class"] == label)[:most]


@st.cache_data(max_entries=4, show_spinner=False)
def read(path: str, changed: float) -> Samples | None:
    """The samples of a description; None where the file is gone or damaged.

    Args:
        changed: when the file was written: another one is read anew.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name != "facts"}
            facts = json.loads(str(file["facts"]))
        return Samples(spec=from_dict(TensorSpec, facts["spec"]), arrays=arrays, facts=facts)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def find(description: dict[str, Any]) -> Samples | None:
    """The samples that belong to a description."""
    name = description.get("samples_file")
    if not name or not Path(name).is_file():
        return None
    return read(name, Path(name).stat().st_mtime)


def draw(samples: Samples) -> None:
    """Some samples of each class, and how values and lengths are distributed."""
    kind = samples.spec.kind
    st.subheader("Samples", anchor=False, help="Of each class, as the net gets them.")
    label = _choose_class(samples)
    if kind == "image":
        _pictures(samples, label)
    elif kind == "tokens":
        _texts(samples, label)
    elif kind == "series":
        _series(samples, label)
    elif kind == "sound":
        _sounds(samples, label)
    else:
        _numbers(samples)
    if "lengths" in samples.arrays:
        lengths = samples.arrays["lengths"]
        st.markdown(f"**Lengths of {len(lengths):,} samples**")
        _histogram(lengths, "steps", "data_lengths")


def _choose_class(samples: Samples) -> str | None:
    """One class, or None for all of them."""
    if len(samples.classes) < 2 or samples.spec.kind == "vector":
        return None
    chosen = st.selectbox("Class", ["All", *samples.classes], key="data_class")
    return None if chosen in (None, "All") else chosen


def _chosen(samples: Samples, label: str | None, most: int) -> list[tuple[str, np.ndarray]]:
    names = samples.classes if label is None else [label]
    return [(name, samples.rows(name, most if label is None else 4 * most)) for name in names]


# ---- pictures


def _pictures(samples: Samples, label: str | None) -> None:
    settings = _augmentations(samples)
    before, after = st.columns(2)
    before.markdown("**As the net gets them**")
    after.markdown("**Augmented, as in training**")
    tile = 48 if label is None else 72
    for name, rows in _chosen(samples, label, _SHOWN):
        features = samples.arrays["features"][rows]
        varied = _augment(features, samples.spec, settings)
        for place, pixels in ((before, features), (after, varied)):
            place.text(name or "Samples")
            place.image(_board(pixels, tile))


def _augmentations(samples: Samples) -> dict[str, Any]:
    """Settings of `training.augment`, at first those of the recipe, chosen here to be looked at."""
    from workbench.experiments.recipes import Facts
    from workbench.experiments.recipes.pictures import choose_augmentation

    labels = None if samples.classes == [""] else tuple(samples.classes)
    facts = Facts(kind="image", shape=samples.spec.shape, num_rows=0, labels=labels)
    flip, side = choose_augmentation(facts).flip, min(samples.spec.shape[1:])
    a, b, c = st.columns(3, vertical_alignment="bottom")
    return {
        "flip": a.toggle("Flip", key=f"data_flip_{flip}", value=flip, help="training.augment.flip"),
        "crop": b.slider(
            "Crop", 0, max(1, side // 3), side // 8, key="data_crop", help="training.augment.crop"
        ),
        "cutout": c.slider(
            "Cutout", 0, max(1, side // 2), 0, key="data_cutout", help="training.augment.cutout"
        ),
    }


def _augment(features: np.ndarray, spec: TensorSpec, settings: dict[str, Any]) -> np.ndarray:
    import torch

    from nets.augment import Augment, AugmentConfig

    vary = Augment(AugmentConfig(**settings), spec)
    generator = torch.Generator().manual_seed(0)
    varied: np.ndarray = vary(torch.from_numpy(features.copy()), generator=generator).numpy()
    return varied


def _board(features: np.ndarray, tile: int) -> np.ndarray:
    from nets.inside import montage, picture

    tiles = np.stack([2.0 * picture(sample) - 255 for sample in features])
    return montage(tiles, columns=5, bounds=(-255.0, 255.0), tile=tile, opaque=False)


# ---- text


def _texts(samples: Samples, label: str | None) -> None:
    text = samples.facts["text"] or {}
    vocabulary = text.get("vocabulary") or []
    ids, lengths = samples.arrays["features"], samples.arrays.get("length")
    known = ids[ids > 0]
    share = float((known == _UNKNOWN).mean()) if len(known) else 0.0
    st.caption(
        f"Tokens as the net reads them. Marked: not among its {len(vocabulary):,} tokens "
        f"({share:.1%} of those in {len(ids):,} samples; texts that have some come first)."
    )
    space = "" if text.get("tokenizer") == "characters" else " "
    most = _TEXTS if label is None else 4 * _TEXTS
    for name, rows in _chosen(samples, label, len(ids)):
        st.text(name)
        ordered = sorted(rows.tolist(), key=lambda row: _UNKNOWN not in ids[row])
        for row in ordered[:most]:
            length = int(lengths[row]) if lengths is not None else ids.shape[1]
            st.html(_mark(ids[row][:length], vocabulary, space))


def _mark(ids: np.ndarray, vocabulary: list[str], space: str) -> str:
    """Tokens as HTML, the unknown one marked."""
    words = [
        "<mark>unknown</mark>"
        if i == _UNKNOWN
        else html.escape(vocabulary[i])
        if i < len(vocabulary)
        else str(i)
        for i in ids.tolist()
    ]
    return f"<p>{space.join(words)}</p>"


# ---- series


def _series(samples: Samples, label: str | None) -> None:
    forecast = samples.facts.get("forecast")
    features, lengths = samples.arrays["features"], samples.arrays.get("length")
    names = samples.facts.get("feature_names") or []
    places = st.columns(2)
    shown = 0
    for name, rows in _chosen(samples, label, _LINES if label or not _has_classes(samples) else 2):
        for row in rows[:_LINES]:
            steps = int(lengths[row]) if lengths is not None else features.shape[1]
            lines = {
                (names[c] if c < len(names) else f"channel {c}"): [
                    (float(t), float(features[row, t, c])) for t in range(steps)
                ]
                for c in range(min(features.shape[2], len(charts.COLOURS)))
            }
            title = name or f"{samples.arrays['key'][row]}"
            if forecast and samples.arrays["label"].ndim == 2:
                lines |= _targets(samples.arrays["label"][row], forecast, lines, steps)
            with places[shown % 2]:
                st.caption(html.escape(title))
                spec = charts.curves(
                    lines, x_name="step", dashed=[n for n in lines if n.endswith(" (target)")]
                )
                charts.draw(spec, key=f"data_series_{shown}", height=220, alt=f"Series {title}")
            shown += 1


def _has_classes(samples: Samples) -> bool:
    """Whether the samples have classes."""
    return len(samples.classes) > 1


def _targets(
    label: np.ndarray, forecast: dict[str, Any], lines: dict[str, Any], steps: int
) -> dict[str, list[tuple[float, float]]]:
    """The values to forecast, after the window."""
    channels = list(forecast["targets"])
    values = label.reshape(forecast["horizon"], len(channels))
    names = list(lines)
    return {
        f"{names[c] if c < len(names) else f'channel {c}'} (target)": [
            (float(steps + t), float(values[t, i])) for t in range(len(values))
        ]
        for i, c in enumerate(channels)
    }


# ---- sound


def _sounds(samples: Samples, label: str | None) -> None:
    spec = samples.spec
    seconds = spec.shape[0] / (spec.rate or 1)
    st.caption(
        f"{seconds:g} s at {spec.rate:,} samples a second. Log-mel spectrograms as the net's first layer "
        "makes them with the usual settings: time from left to right, low bands below."
    )
    for name, rows in _chosen(samples, label, _SOUNDS):
        st.text(name)
        places = st.columns(_SOUNDS)
        waves = samples.arrays["features"][rows]
        maps = log_mel(waves, SpectrogramConfig(), spec).transpose(0, 2, 1)[:, ::-1]
        for i, row in enumerate(rows):
            with places[i % _SOUNDS]:
                st.image(_draw_bands(maps[i]), width="stretch")
                st.audio(waves[i], sample_rate=spec.rate)
                st.caption(html.escape(str(samples.arrays["key"][row])))


def _draw_bands(bands: np.ndarray) -> Any:
    """(bands, frames) as a picture of one size, however many bands and frames there are."""
    from PIL import Image

    from nets.inside import montage

    board = montage(bands[None], tile=max(bands.shape))
    return Image.fromarray(board).resize((480, 240), Image.Resampling.NEAREST)


# ---- numbers


def _numbers(samples: Samples) -> None:
    values = samples.arrays.get("values")
    if values is None or not len(values):
        return
    st.caption(f"Columns as the net gets them, before preparation, of {len(values):,} rows.")
    names = samples.facts.get("feature_names") or [f"feature {i}" for i in range(values.shape[1])]
    places = st.columns(3)
    for i in range(min(_COLUMNS, values.shape[1])):
        with places[i % 3]:
            _histogram(values[:, i], names[i], f"data_column_{i}")
    if samples.spec.shape[0] > _COLUMNS:
        st.caption(f"The first {_COLUMNS} of {samples.spec.shape[0]:,} columns.")


def _histogram(values: np.ndarray, name: str, key: str) -> None:
    values = values.astype(np.float64)
    low, high = values.min(), values.max()
    bins: Any = _BINS
    if high - low < _BINS and (values == np.round(values)).all():  # a bar for each whole number
        bins = np.arange(low - 0.5, high + 1)
    counts, edges = np.histogram(values, bins=bins)
    spec = charts.histogram(counts.tolist(), edges.tolist(), name=name)
    charts.draw(spec, key=key, height=180, alt=f"Histogram of {name}")
