"""How good a net is with no setting but the path to the data: recipes beside a linear model.

    python -m benchmarks.quality --data ../shared/data
    python -m benchmarks.quality --data ../shared/data --only names japanese-vowels --seeds 1

For each data set that is there: the recipe's experiment, trained with three seeds by the same learner as
`workbench train`, on the set's own test split where it has one. One process, without Ray and Spark: what
is measured is the nets. The published figures are of other splits and sizes of net; they say what can be
reached, not what should be.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from nets import PreparationConfig, Sums, TensorSpec
from nets.text import PADDING, UNKNOWN, TextEncoder, TextEncoding
from workbench.bridge import Prepared, store_arrays
from workbench.data import Forecast
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes import Facts, choose_recipe
from workbench.training.evaluation import evaluate_best
from workbench.training.learner import Learner

RESULTS = Path(__file__).parent / "results" / "quality.json"


@dataclass(kw_only=True)
class DataSet:
    """Rows by split, and what is known of them."""

    spec: TensorSpec
    rows: dict[str, dict[str, np.ndarray]]
    labels: tuple[str, ...] | None
    published: str
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

    def both(part: str) -> dict[str, np.ndarray]:
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
    return of_text(texts, label, ("neg", "pos"), "words", published)


def names(data: Path) -> DataSet:
    """A fifth for test; 18 languages of very uneven size."""
    texts, label, labels = [], [], []
    for path in sorted((data / "names").rglob("*.txt")):
        lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
        texts += lines
        label += [len(labels)] * len(lines)
        labels.append(path.stem)
    published = "none (macro F1 of spro's tutorial is not given)"
    found = of_text(texts, label, tuple(labels), "characters", published)
    return replace(found, metric="test/macro_f1")


def japanese_vowels(data: Path) -> DataSet:
    """Its own test split: 270 and 370 utterances."""
    parts = {}
    for part in ("TRAIN", "TEST"):
        path = next((data / "japanese-vowels").glob(f"*{part}.ts"))
        lines = path.read_text().split("@data", 1)[-1].strip().split("\n")
        samples, classes = [], []
        for line in lines:
            *channels, name = line.strip().split(":")
            samples.append(np.array([c.split(",") for c in channels], np.float32).T)
            classes.append(name)
        parts[part] = samples, classes
    steps = max(len(sample) for samples, _ in parts.values() for sample in samples)
    labels = tuple(sorted(set(parts["TRAIN"][1])))

    def rows(part: str) -> dict[str, np.ndarray]:
        samples, classes = parts[part]
        features = np.zeros((len(samples), steps, 12), np.float32)
        for row, sample in enumerate(samples):
            features[row, : len(sample)] = sample
        return {
            "features": features,
            "label": np.array([labels.index(name) for name in classes]),
            "length": np.array([len(sample) for sample in samples]),
        }

    return DataSet(
        spec=TensorSpec(kind="series", shape=(steps, 12)),
        rows=split(rows("TRAIN"), test=0) | {"test": rows("TEST")},
        labels=labels,
        published="FCN 0.993, MLP 0.976, Time-CNN 0.956 (hfawaz/dl-4-tsc)",
    )


def etth1(data: Path) -> DataSet:
    """Oil temperature 24 hours ahead from 96; the last fifth of the time is the test split."""
    path = data / "ett" / "ETTh1.csv"
    header = path.read_text().split("\n", 1)[0].split(",")[1:]
    values = np.loadtxt(path, np.float32, delimiter=",", skiprows=1, usecols=range(1, 8))
    target, cuts = header.index("OT"), np.array([0, 0.7, 0.8, 1.0]) * len(values)
    rows = {}
    for name, low, high in zip(("train", "validation", "test"), cuts, cuts[1:], strict=False):
        starts = range(int(low), int(high) - 120 + 1, 4)
        rows[name] = {
            "features": np.stack([values[i : i + 96] for i in starts]),
            "label": np.stack([values[i + 96 : i + 120, target] for i in starts]),
        }
    return DataSet(
        spec=TensorSpec(kind="series", shape=(96, 7)),
        rows=rows,
        labels=None,
        metric="test/mse",
        forecast=Forecast(targets=(target,), horizon=24, season=24),
        published="none for this split in degrees",
    )


def of_table(name: str) -> Callable[[Path], DataSet]:
    """A table of scikit-learn, a fifth for test."""

    def read(_: Path) -> DataSet:
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")()
        values = name == "diabetes"
        label = found.target.astype(np.float32 if values else np.int64)
        rows = {"features": found.data.astype(np.float32), "label": label}
        return DataSet(
            spec=TensorSpec(kind="vector", shape=(found.data.shape[1],)),
            rows=split(rows, test=0.2),
            labels=None if values else tuple(map(str, found.target_names)),
            metric="test/mse" if values else "test/accuracy",
            published="none on this split",
        )

    return read


def split(
    rows: dict[str, np.ndarray], *, test: float, validation: float = 0.1
) -> dict[str, dict[str, np.ndarray]]:
    """Rows drawn for the splits, always the same."""
    order = np.random.default_rng(0).permutation(len(rows["label"]))
    held, more = round(test * len(order)), round(validation * len(order))
    parts = {"test": order[:held], "validation": order[held : held + more]}
    parts["train"] = order[held + more :]
    return {
        name: {column: values[chosen] for column, values in rows.items()}
        for name, chosen in parts.items()
        if len(chosen)
    }


def of_text(
    texts: list[str], label: list[int], labels: tuple[str, ...], tokenizer: Any, published: str
) -> DataSet:
    """Token ids, with a vocabulary of the training rows."""
    parts = split({"text": np.array(texts, object), "label": np.array(label)}, test=0.2)
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
        published=published,
    )


SETS: dict[str, Callable[[Path], DataSet]] = {
    "digits": digits,
    "rt-polarity": rt_polarity,
    "names": names,
    "japanese-vowels": japanese_vowels,
    "ETTh1": etth1,
    "breast-cancer": of_table("breast_cancer"),
    "wine": of_table("wine"),
    "diabetes": of_table("diabetes"),
    "fashion-mnist": fashion_mnist,
    "cifar10": cifar10,
}


def prepare(data: DataSet, preparation: PreparationConfig) -> Prepared:
    """The rows in a prepared store, with the figures of the training split."""
    train = data.rows["train"]
    statistics_of = targets = counts = None
    if data.spec.kind != "tokens":
        features = train["features"]
        if "length" in train:  # steps of all rows alike, without padding
            steps = np.arange(features.shape[1]) < train["length"][:, None]
            flat = features[steps]
        else:
            flat = features.reshape(len(features), -1)
        sums = Sums(flat.shape[1])
        for start in range(0, len(flat), 4096):
            sums.add(flat[start : start + 4096].astype(np.float64))
        statistics_of = sums.statistics()
    if data.labels is None:
        label = train["label"].reshape(len(train["label"]), -1).astype(np.float64)
        if preparation.targets == "change" and data.forecast is not None:
            label = label - train["features"][:, -1][:, list(data.forecast.channels)]
        sums = Sums(label.shape[1])
        sums.add(label)
        targets = sums.statistics()
    else:
        counts = tuple(np.bincount(train["label"], minlength=len(data.labels)).tolist())
    shape = train["label"].shape
    return store_arrays(
        data.rows,
        data.spec,
        labels=data.labels,
        num_outputs=len(data.labels) if data.labels else (shape[1] if len(shape) > 1 else 1),
        statistics=statistics_of,
        class_counts=counts,
        targets=targets,
        forecast=data.forecast,
        text=data.text,
    )


def measure(name: str, data: DataSet, seeds: int) -> dict[str, Any]:
    """The recipe's results over the seeds, and its baselines."""
    train = data.rows["train"]["label"]
    facts = Facts(
        kind=data.spec.kind,
        shape=data.spec.shape,
        num_rows=len(train),
        labels=data.labels,
        class_counts=() if data.labels is None else tuple(np.bincount(train).tolist()),
        forecast=data.forecast is not None,
    )
    characters = data.text is not None and data.text.tokenizer == "characters"
    recipe = choose_recipe(facts, characters=characters)
    prepared = prepare(data, recipe.preparation)
    results, minutes, baselines = [], [], {}
    for seed in range(seeds):
        experiment = Experiment(
            name=name,
            preparation=recipe.preparation,
            net=recipe.net,
            training=replace(recipe.training, seed=seed, health=False),
        )
        began = time.perf_counter()
        learner = Learner(experiment, prepared)
        while not learner.finished:
            learner.train_epoch()
        weights = _save(learner.best_weights)
        minutes.append((time.perf_counter() - began) / 60)
        metrics = evaluate_best(experiment, prepared, weights).metrics
        results.append(metrics[data.metric])
        baselines = {k: v for k, v in metrics.items() if k.startswith("baseline/")}
        best = baseline_of(data.metric, baselines)
        print(f"{name}, seed {seed}: {results[-1]:.4f} ({best}), {minutes[-1]:.1f} min", flush=True)
    return {
        "metric": data.metric,
        "values": results,
        "baselines": baselines,
        "minutes": statistics.median(minutes),
        "published": data.published,
        "net": recipe.net.kind,
    }


def _save(weights: dict[str, torch.Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: value.contiguous() for name, value in weights.items()})


def baseline_of(metric: str, baselines: dict[str, float]) -> str:
    """The best baseline in the metric's unit, as text; macro F1 has accuracy beside it."""
    unit = "mse" if metric.endswith("mse") else "accuracy"
    chosen = {k.split("/")[1]: v for k, v in baselines.items() if k.endswith(f"/{unit}")}
    if not chosen:
        return "-"
    name = (min if unit == "mse" else max)(chosen, key=chosen.__getitem__)
    return f"{name.replace('_', ' ')} {chosen[name]:.4g}" + (
        "" if metric.endswith(unit) else f" {unit}"
    )


def table(measured: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| data | metric | recipe (mean, range) | best baseline | published | minutes |"
    yield "|---|---|---|---|---|---|"
    for name, one in measured.items():
        values = one["values"]
        shown = f"{statistics.fmean(values):.4g} ({min(values):.4g}-{max(values):.4g})"
        metric = one["metric"].partition("/")[2].replace("_", " ")
        best = baseline_of(one["metric"], one["baselines"])
        yield f"| {name} | {metric} | {shown} | {best} | {one['published']} | {one['minutes']:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("WORKBENCH_TEST_DATA", ""))
    )
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-keep", action="store_true", help="leave benchmarks/results as it is")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    measured: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as home:
        os.environ["WORKBENCH_HOME"] = home
        for name in options.only:
            try:
                data = SETS[name](options.data)
            except (FileNotFoundError, StopIteration) as error:
                print(f"{name}: not there ({error})")
                continue
            measured[name] = measure(name, data, options.seeds)
    print("\n".join(table(measured)))
    if not options.no_keep and measured:
        before = json.loads(RESULTS.read_text())["sets"] if RESULTS.exists() else {}
        kept = {"machine": machine.describe(), "sets": before | measured}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
