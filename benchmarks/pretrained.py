"""Few pictures, with and without a pretrained net: 10 classes of 100 pictures of CIFAR-10.

    python -m benchmarks.pretrained --data FOLDER [--size 96] [--ways tuned scratch recipe]

FOLDER has train.parquet and test.parquet with the columns image (PNG) and label. Each way trains on the same 1,000
pictures, chooses its epoch by 200 others, and is measured on 1,000 test pictures. The net of `tuned` and
`scratch` is the same one: EfficientNet-Lite0, with pictures resized to --size; `recipe` is what the workbench
proposes for these pictures, 32 pixels wide. Needs the extra `pretrained`.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks import report
from nets import Custom, PreparationConfig, TensorSpec, TrainingConfig
from nets.augment import AugmentConfig
from nets.efficientnet import EfficientNetLite0
from nets.statistics import Sums
from workbench.bridge import Prepared, store_arrays
from workbench.experiments import Experiment
from workbench.experiments.recipes.facts import Facts
from workbench.experiments.recipes.pictures import pictures
from workbench.training.learner import Learner
from workbench.training.start_from import add_start

SPEC = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
ROWS = {"train": 100, "validation": 20, "test": 100}
"""Of each class."""


def main() -> None:
    parser = report.make_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--ways", nargs="+", default=["tuned", "scratch", "recipe"])
    options = parser.parse_args()
    what = (
        f"1,000 pictures of 10 classes, 1,000 test pictures, resized to {options.size}, "
        f"{os.cpu_count()} cores"
    )
    results = report.Report("pretrained", what, options)
    prepared = read(options.data)
    for way in options.ways:
        began = time.perf_counter()
        accuracy = train(make(way, prepared, options.size, options.epochs), prepared)
        minutes = (time.perf_counter() - began) / 60
        results.add("test accuracy", way, [accuracy], "share", note=f"{minutes:.1f} min")
    results.finish()


def make(way: str, prepared: Prepared, size: int, epochs: int) -> Experiment:
    """The experiment of a way."""
    if way == "recipe":
        facts = Facts(kind="image", shape=SPEC.shape, num_rows=1_000, labels=prepared.labels)
        recipe = pictures(facts)
        return Experiment(
            name=way, net=recipe.net, training=recipe.training, preparation=recipe.preparation
        )
    training = TrainingConfig(
        epochs=epochs,
        batch_size=32,
        learning_rate=2e-3,
        schedule="one_cycle",
        augment=AugmentConfig(flip=True),
    )
    if way == "tuned":
        training = replace(
            training,
            start_from="efficientnet_lite0",
            # What the first layers know fits any picture, and they are most of the work.
            freeze={"body.net.stem": None, "body.net.blocks": None},
        )
    return Experiment(
        name=way,
        preparation=PreparationConfig(method="scale"),
        net=Custom(EfficientNetLite0, size=size),
        training=training,
    )


def train(experiment: Experiment, prepared: Prepared) -> float:
    """Accuracy on the test rows, of the best epoch."""
    learner = Learner(experiment, add_start(experiment, prepared))
    while not learner.finished:
        metrics = learner.train_epoch()
        print(
            f"{experiment.name} epoch {learner.epoch}: {metrics['validation/accuracy']:.3f}",
            flush=True,
        )
    learner.net.load_state_dict(learner.best_weights)
    return learner.evaluate("test").metrics("test")["test/accuracy"]


def read(folder: Path) -> Prepared:
    """The first rows of each class: those of the training file train and validate."""
    train_file, test_file = (read_file(folder / f"{name}.parquet") for name in ("train", "test"))
    labels = tuple(sorted(train_file))
    end = ROWS["train"] + ROWS["validation"]
    chosen = {
        "train": {label: train_file[label][: ROWS["train"]] for label in labels},
        "validation": {label: train_file[label][ROWS["train"] : end] for label in labels},
        "test": {label: test_file[label][: ROWS["test"]] for label in labels},
    }
    splits: dict[str, Any] = {
        name: {
            "features": np.stack([decode(png) for label in labels for png in rows[label]]),
            "label": np.repeat(np.arange(len(labels)), ROWS[name]),
        }
        for name, rows in chosen.items()
    }
    sums = Sums(SPEC.num_bytes)
    sums.add(splits["train"]["features"].reshape(-1, SPEC.num_bytes).astype(np.float64))
    return store_arrays(
        splits,
        SPEC,
        labels=labels,
        num_outputs=len(labels),
        statistics=sums.statistics(),
        class_counts=(ROWS["train"],) * len(labels),
    )


def read_file(path: Path) -> dict[str, list[bytes]]:
    """Class to its pictures, as PNG."""
    by_label: dict[str, list[bytes]] = {}
    table = pq.read_table(path, columns=["image", "label"])
    for png, label in zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True):
        by_label.setdefault(label, []).append(png)
    return by_label


def decode(png: bytes) -> np.ndarray:
    """(3, 32, 32) uint8."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).transpose(2, 0, 1)


if __name__ == "__main__":
    main()
