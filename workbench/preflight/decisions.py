"""What was decided about a source, in sentences: by its reader, by the split, and what follows from the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.data import CanonicalFrame

_CLASSES, _REASONS = 15, 6
"""Classes and reasons that are listed."""


def list_decisions(canonical: CanonicalFrame, counts: dict[str, Any]) -> list[str]:
    """The reader's own sentences, then splits, the order of classes, rows set aside, and leaks.

    Spark reads the rows again here.

    Args:
        canonical: with its split filled.
        counts: from `workbench.data.summarize`.
    """
    return [
        *canonical.decided,
        *_describe_splits(counts),
        *_describe_classes(canonical),
        *_describe_bad_rows(canonical, counts["bad"]["rows"]),
        *_describe_pictures(canonical, counts),
        *_describe_sounds(canonical, counts),
        *_describe_copies(canonical),
        *_describe_telling_features(canonical),
    ]


def _describe_splits(counts: dict[str, Any]) -> list[str]:
    config, official = counts["split"], counts["official_splits"]
    drawn = [name for name in counts["rows"] if name not in ("train", *official)]
    sentences = []
    if official:
        sentences.append(
            f"Splits: {' and '.join(official)} as the source gives {'it' if len(official) == 1 else 'them'}."
        )
    if drawn:
        sentences.append(
            f"Splits: {' and '.join(drawn)} drawn from the training rows by {config['by']} "
            f"(data.split, seed {config['seed']})."
        )
    return sentences


def _describe_classes(canonical: CanonicalFrame) -> list[str]:
    if canonical.labels is None:
        return []
    names = canonical.labels
    more = f" and {len(names) - _CLASSES} more" if len(names) > _CLASSES else ""
    sentences = [f"Classes, in this order: {', '.join(names[:_CLASSES])}{more}."]
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(" ".join(name.lower().split()), []).append(name)
    if twins := [" and ".join(map(repr, group)) for group in alike.values() if len(group) > 1]:
        sentences.append(
            f"Classes that differ in capitals or spaces only: {', '.join(twins[:5])}. They are classes of "
            "their own; make them one in the data if they are the same."
        )
    return sentences + _describe_several(names)


def _describe_several(names: tuple[str, ...]) -> list[str]:
    """Where classes look like lists of classes: `cat|dog` beside `cat` and `dog`."""
    for sign in "|;, ":
        parts = {name: [p.strip() for p in name.split(sign)] for name in names if sign in name}
        whole = [name for name, several in parts.items() if set(several) <= set(names) - set(parts)]
        if whole and len(whole) * 2 >= len(parts):
            return [
                f"Maybe several classes of one sample: {', '.join(map(repr, whole[:3]))}. A sample has one "
                "class here, so each of these is a class of its own."
            ]
    return []


def _describe_bad_rows(canonical: CanonicalFrame, num_bad: int) -> list[str]:
    from pyspark.sql import functions as F

    if canonical.bad is None or not num_bad:
        return []
    kind = F.regexp_replace("reason", ": .*", "").alias("kind")
    groups = canonical.bad.groupBy(kind).count().orderBy(F.desc("count"), "kind")
    rows = groups.limit(_REASONS + 1).collect()
    reasons = [f"{row['count']} {row['kind']}" for row in rows[:_REASONS]]
    more = "; and other reasons" if len(rows) > _REASONS else ""
    return [f"Rows set aside: {num_bad} ({'; '.join(reasons)}{more})."]


def _describe_pictures(canonical: CanonicalFrame, counts: dict[str, Any]) -> list[str]:
    """What was done to pictures that are not as the samples are."""
    if canonical.spec.kind != "image":
        return []
    _, height, width = canonical.spec.shape
    done = {
        "scaled": f"scaled to {width} x {height} (data.source.shape)",
        "cut_to_middle": "of other proportions, of which the middle is kept",
        "turned_upright": "turned upright as EXIF says",
        "first_frame": "with several frames or pages, of which the first is read",
        "laid_on_ground": "transparent, laid over white (black where all that they show is white)",
        "range_scaled": "of 16 bits or floating point, scaled by their range",
        "dark_16_bits": "of 16 bits without a value above 4,095, nearly black as they are read: if they hold "
        "12 bits, write them with values of 16 or 8",
        "made_grey": "in colour, made grey",
    }
    parts = [f"{counts[name]} {what}" for name, what in done.items() if counts.get(name)]
    return [f"Pictures: {'; '.join(parts)}."] if parts else []


def _describe_sounds(canonical: CanonicalFrame, counts: dict[str, Any]) -> list[str]:
    """What was done to sounds of another rate, length or number of channels."""
    spec = canonical.spec
    if spec.kind != "sound" or spec.rate is None:
        return []
    done = {
        "resampled": f"resampled to {spec.rate:,} samples a second",
        "mixed_to_mono": "mixed to mono",
        "cut": f"longer than {spec.shape[0] / spec.rate:g} s, of which the middle is kept",
        "padded": "shorter, followed by silence",
        "clipped": "louder than full scale, clipped",
    }
    parts = [f"{counts[name]} {what}" for name, what in done.items() if counts.get(name)]
    return [f"Sounds: {'; '.join(parts)}."] if parts else []


def _describe_copies(canonical: CanonicalFrame) -> list[str]:
    """Samples of the training split that are in another split as well, by a hash of their bytes.

    Windows of a series that repeats are equal at other times: a copy has the same time too.
    """
    from pyspark.sql import functions as F

    same = ["features"]
    if canonical.spec.kind == "series" and "time" in canonical.frame.columns:
        same.append("time")
    hashes = canonical.frame.select("split", F.xxhash64(*same).alias("hash"))
    trained = hashes.where("split = 'train'").select("hash").distinct()
    other = hashes.where("split != 'train'").join(trained, "hash", "left_semi")
    rows = {row["split"]: row["count"] for row in other.groupBy("split").count().collect()}
    return [
        f"Leak: {rows[name]} {name} samples are in the training split too, byte for byte."
        for name in ("validation", "test")
        if name in rows
    ]


def _describe_telling_features(canonical: CanonicalFrame) -> list[str]:
    """Features of vectors that have one value in each class, and another one in each other class; or
    that are the measured label."""
    names = canonical.feature_names
    if canonical.spec.kind != "vector" or len(names) != canonical.spec.shape[0]:
        return []
    values = canonical.labels is None
    if values and canonical.num_outputs != 1:
        return []
    width = len(names)

    def measure(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            raw = b"".join(value.as_buffer() for value in batch.column("features"))
            rows = np.frombuffer(raw, np.float32).reshape(batch.num_rows, width)
            labels = batch.column("label").to_numpy()
            if values:  # the smallest and largest distance to the label
                rows, labels = rows - labels.astype(np.float32)[:, None], np.zeros(len(labels))
            for label in np.unique(labels):
                part = rows[labels == label]
                yield pa.RecordBatch.from_pydict(
                    {
                        "label": [int(label)],
                        "low": [part.min(0).tolist()],
                        "high": [part.max(0).tolist()],
                    }
                )

    frame = canonical.frame.where("split = 'train'").select("features", "label")
    bounds = frame.mapInArrow(
        measure, "label long, low array<double>, high array<double>"
    ).collect()
    low: dict[int, np.ndarray] = {}
    high: dict[int, np.ndarray] = {}
    for row in bounds:
        low[row["label"]] = np.minimum(low.get(row["label"], np.inf), row["low"])
        high[row["label"]] = np.maximum(high.get(row["label"], -np.inf), row["high"])
    if not low:
        return []
    lows, highs = np.stack(list(low.values())), np.stack(list(high.values()))
    if values:
        telling = (lows == 0).all(0) & (highs == 0).all(0)
    else:
        differ = np.array([len(set(column)) == len(low) for column in lows.T])
        telling = (lows == highs).all(0) & differ & (len(low) > 1)
    return [
        f"Leak: the feature {name} says the label: each class has one value of it. Take it out with "
        "data.source.features, unless it is known before the label is."
        for name, tells in zip(names, telling, strict=True)
        if tells
    ]
