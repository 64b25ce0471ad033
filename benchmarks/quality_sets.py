"""The data sets of the benchmark of quality: what they are, read without Spark.

A row is drawn for a split always in the same way; those with a test set of their own keep it.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nets import TensorSpec
from nets.text import PADDING, UNKNOWN, TextEncoder, TextEncoding
from workbench.data import Forecast

Rows = dict[str, np.ndarray]


@dataclass(kw_only=True)
class DataSet:
    """Rows by split, and what is known of them."""

    spec: TensorSpec
    rows: dict[str, Rows]
    labels: tuple[str, ...] | None
    published: str = "none on this split"
    metric: str = "test/accuracy"
    forecast: Forecast | None = None
    text: TextEncoding | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def digits(_: Path) -> DataSet:
    """Scikit-learn's digits, a fifth for test."""
    from sklearn.datasets import load_digits

    found = load_digits()
    rows = {"features": found.images.astype(np.uint8)[:, None], "label": found.target}
    return DataSet(
        spec=TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8"),
        rows=split(rows, test=0.2),
        labels=tuple("0123456789"),
        published="kNN 0.98 (Alpaydin and Kaynak 1998, larger set)",
    )


def fashion_mnist(data: Path) -> DataSet:
    """Its own test split."""

    def read(name: str, skip: int) -> np.ndarray:
        content = gzip.decompress((data / "fashion-mnist" / name).read_bytes())
        return np.frombuffer(content, np.uint8, offset=skip)

    def both(part: str) -> Rows:
        return {
            "features": read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28),
            "label": read(f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64),
        }

    return DataSet(
        spec=TensorSpec(kind="image", shape=(1, 28, 28), dtype="uint8"),
        rows=split(both("train"), test=0) | {"test": both("t10k")},
        labels=tuple("0123456789"),
        published="two convolutions 0.876-0.934, ResNet18 0.949 (the repository's table)",
    )


def cifar10(data: Path) -> DataSet:
    """Its own test split."""
    import io

    import pyarrow.parquet as pq
    from PIL import Image

    def read(name: str) -> tuple[np.ndarray, list[str]]:
        table = pq.read_table(data / "cifar10" / f"{name}.parquet")
        pictures = [
            np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)
            for content in table["image"].to_pylist()
        ]
        return np.stack(pictures), table["label"].to_pylist()

    (train, names), (test, test_names) = read("train"), read("test")
    labels = tuple(sorted(set(names)))

    def numbers(which: list[str]) -> np.ndarray:
        return np.array([labels.index(name) for name in which])

    rows = split({"features": train, "label": numbers(names)}, test=0)
    return DataSet(
        spec=TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8"),
        rows=rows | {"test": {"features": test, "label": numbers(test_names)}},
        labels=labels,
        published="0.94 in seconds on an A100 (KellerJordan/cifar10-airbench)",
    )


def rt_polarity(data: Path) -> DataSet:
    """A fifth for test."""
    texts, label = [], []
    for number, name in enumerate(("neg", "pos")):
        content = (data / "rt-polarity" / f"rt-polarity.{name}").read_text("latin-1")
        lines = [line for line in content.split("\n") if line.strip()]
        texts += lines
        label += [number] * len(lines)
    published = "CNN 0.761, with pretrained vectors 0.815 (Kim 2014, ten folds)"
    return replace(of_text(texts, label, ("neg", "pos"), "words"), published=published)


def names(data: Path) -> DataSet:
    """A fifth for test; 18 languages of very uneven size."""
    texts, label, labels = [], [], []
    for path in sorted((data / "names").rglob("*.txt")):
        lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
        texts += lines
        label += [len(labels)] * len(lines)
        labels.append(path.stem)
    found = of_text(texts, label, tuple(labels), "characters")
    return replace(found, metric="test/macro_f1", published="none")


def japanese_vowels(data: Path) -> DataSet:
    """Its own test split: 270 and 370 utterances."""
    found = of_ts_files(data / "japanese-vowels", "")
    return replace(found, published="FCN 0.993, MLP 0.976, Time-CNN 0.956 (hfawaz/dl-4-tsc)")


def etth1(data: Path) -> DataSet:
    """Oil temperature 24 hours ahead from 96; the last fifth of the time is the test split."""
    path = data / "ett" / "ETTh1.csv"
    header = path.read_text().split("\n", 1)[0].split(",")[1:]
    values = np.loadtxt(path, np.float32, delimiter=",", skiprows=1, usecols=range(1, 8))
    forecast = Forecast(targets=(header.index("OT"),), horizon=24, season=24)
    found = of_windows(values, forecast, length=96, stride=4)
    return replace(found, published="none for this split in degrees")


def of_ts_files(folder: Path, name: str, draw: int = 0) -> DataSet:
    """The files *TRAIN.ts and *TEST.ts of the UCR and UEA archives, whose names begin with `name`."""
    parts = {}
    for part in ("TRAIN", "TEST"):
        path = next(folder.glob(f"{name}*{part}.ts"))
        lines = path.read_text().split("@data", 1)[-1].strip().split("\n")
        samples, classes = [], []
        for line in lines:
            *channels, label = line.strip().split(":")
            samples.append(np.array([c.split(",") for c in channels], np.float32).T)
            classes.append(label)
        parts[part] = samples, classes
    steps = max(len(sample) for samples, _ in parts.values() for sample in samples)
    labels = tuple(sorted(set(parts["TRAIN"][1])))

    def rows(part: str) -> Rows:
        samples, classes = parts[part]
        features = np.zeros((len(samples), steps, samples[0].shape[1]), np.float32)
        for row, sample in enumerate(samples):
            features[row, : len(sample)] = sample
        return {
            "features": features,
            "label": np.array([labels.index(label) for label in classes]),
            "length": np.array([len(sample) for sample in samples]),
        }

    train = rows("TRAIN")
    return DataSet(
        spec=TensorSpec(kind="series", shape=train["features"].shape[1:]),
        rows=split(train, test=0, draw=draw) | {"test": rows("TEST")},
        labels=labels,
    )


def of_windows(values: np.ndarray, forecast: Forecast, *, length: int, stride: int = 1) -> DataSet:
    """Windows of a series (steps, channels); a tenth and the last fifth of the time are held out."""
    cuts = np.array([0, 0.7, 0.8, 1.0]) * len(values)
    whole, rows = length + forecast.horizon, {}
    for name, low, high in zip(("train", "validation", "test"), cuts, cuts[1:], strict=False):
        starts = range(int(low), int(high) - whole + 1, stride)
        later = [values[i + length : i + whole, list(forecast.targets)] for i in starts]
        rows[name] = {
            "features": np.stack([values[i : i + length] for i in starts]).astype(np.float32),
            "label": np.stack(later).reshape(len(later), -1).astype(np.float32),
        }
    return DataSet(
        spec=TensorSpec(kind="series", shape=(length, values.shape[1])),
        rows=rows,
        labels=None,
        metric="test/mse",
        forecast=forecast,
    )


def sklearn_table(name: str) -> Callable[[Path], DataSet]:
    """A table of scikit-learn, a fifth for test."""

    def read(_: Path) -> DataSet:
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")()
        names = None if name == "diabetes" else tuple(map(str, found.target_names))
        return of_table(found.data, found.target, names)

    return read


def of_table(
    features: np.ndarray, label: np.ndarray, labels: tuple[str, ...] | None, draw: int = 0
) -> DataSet:
    """Rows of numbers, a fifth for test."""
    rows = {
        "features": features.astype(np.float32),
        "label": label.astype(np.float32 if labels is None else np.int64),
    }
    return DataSet(
        spec=TensorSpec(kind="vector", shape=features.shape[1:]),
        rows=split(rows, test=0.2, draw=draw),
        labels=labels,
        metric="test/mse" if labels is None else "test/accuracy",
    )


def split(rows: Rows, *, test: float, validation: float = 0.1, draw: int = 0) -> dict[str, Rows]:
    """Rows drawn for the splits, always the same for the same `draw`."""
    order = np.random.default_rng(draw).permutation(len(rows["label"]))
    held, more = round(test * len(order)), round(validation * len(order))
    parts = {"test": order[:held], "validation": order[held : held + more]}
    parts["train"] = order[held + more :]
    return {
        name: {column: values[chosen] for column, values in rows.items()}
        for name, chosen in parts.items()
        if len(chosen)
    }


def of_text(
    texts: list[str], label: list[int], labels: tuple[str, ...], tokenizer: Any, draw: int = 0
) -> DataSet:
    """Token ids, with a vocabulary of the training rows."""
    parts = split({"text": np.array(texts, object), "label": np.array(label)}, test=0.2, draw=draw)
    plain = TextEncoding(
        tokenizer=tokenizer,
        lowercase=tokenizer == "words",
        max_length=64 if tokenizer == "words" else 32,
        vocabulary=(PADDING, UNKNOWN),
    )
    counts = Counter(
        token
        for tokens in TextEncoder(plain).tokenize(parts["train"]["text"].tolist())
        for token in tokens
    )
    known = tuple(token for token, _ in counts.most_common(19_998))
    encoding = replace(plain, vocabulary=(PADDING, UNKNOWN, *known))
    rows = {}
    for name, part in parts.items():
        ids, length, _ = TextEncoder(encoding).encode(part["text"].tolist())
        rows[name] = {"features": ids, "label": part["label"], "length": np.maximum(length, 1)}
    return DataSet(
        spec=TensorSpec(
            kind="tokens",
            shape=(encoding.max_length,),
            dtype="int32",
            vocabulary_size=len(encoding.vocabulary),
        ),
        rows=rows,
        labels=labels,
        text=encoding,
    )


Read = Callable[[Path, int], DataSet]
"""A folder with data, and the seed of a training, which the sets here do not use: their splits stay."""


def _always(read: Callable[[Path], DataSet]) -> Read:
    return lambda data, _: read(data)


_ALL: dict[str, Callable[[Path], DataSet]] = {
    "digits": digits,
    "rt-polarity": rt_polarity,
    "names": names,
    "japanese-vowels": japanese_vowels,
    "ETTh1": etth1,
    "breast-cancer": sklearn_table("breast_cancer"),
    "wine": sklearn_table("wine"),
    "diabetes": sklearn_table("diabetes"),
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
}

SETS: dict[str, Read] = {name: _always(read) for name, read in _ALL.items()}
