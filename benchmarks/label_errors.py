"""Labels that may be wrong: how many of the labels that were flipped stand early in the list.

    python -m benchmarks.label_errors --data ../shared/data
    python -m benchmarks.label_errors --data ../shared/data --share 0.1 --seed 1 --rows 20000

Some labels of Fashion-MNIST's training rows get another class, drawn at random: in the rows that are
trained on, and in those that choose the epoch. The recipe trains on them in one process, without Ray and
Spark. Then the rows are listed as `workbench data labels` and the page of the run list them. Beside that
list: the order by the net's loss alone, and by the mean of the losses after every epoch.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks import report
from benchmarks.quality import prepare, recipe_of
from benchmarks.quality_sets import DataSet, fashion_mnist
from nets import inside
from workbench.bridge import Prepared
from workbench.experiments.experiment import Experiment
from workbench.training import samples
from workbench.training.learner import Learner

_FIRST = 0.1
"""The part of the list that is looked through."""
_AIM = 0.8
"""The share of the flipped labels that should be in it."""


def flip(label: np.ndarray, share: float, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which that share has another class, drawn evenly; and which ones, as booleans."""
    draw = np.random.default_rng(seed)
    flipped = np.zeros(len(label), bool)
    flipped[draw.choice(len(label), round(share * len(label)), replace=False)] = True
    moved = (label + draw.integers(1, classes, len(label))) % classes
    return np.where(flipped, moved, label), flipped


def count_early(order: np.ndarray, flipped: np.ndarray) -> int:
    """How many of the flipped rows are in the first tenth.

    Args:
        order: (n,) the higher, the earlier; flipped: (n,) booleans.
    """
    first = np.argsort(-order, kind="stable")[: round(_FIRST * len(order))]
    return int(flipped[first].sum())


def make_data(
    data: Path, share: float, rows: int | None, seed: int
) -> tuple[DataSet, dict[str, np.ndarray]]:
    """Fashion-MNIST with flipped labels, and for each split which rows they are."""
    found, flipped = fashion_mnist(data), {}
    assert found.labels is not None
    for name in ("train", "validation"):
        part = found.rows[name]
        if rows is not None:
            part = {
                column: values[: rows if name == "train" else rows // 9]
                for column, values in part.items()
            }
        label, flipped[name] = flip(part["label"], share, len(found.labels), seed)
        found.rows[name] = part | {"label": label}
    return found, flipped


def train(data: DataSet, seed: int) -> tuple[Learner, Prepared, dict[str, list[np.ndarray]]]:
    """The recipe's training: its best weights, and the losses of all rows after every epoch."""
    recipe = recipe_of(data)
    prepared = prepare(data, recipe.preparation)
    experiment = Experiment(
        name="label_errors",
        preparation=recipe.preparation,
        net=recipe.net,
        training=replace(recipe.training, seed=seed, health=False),
    )
    learner = Learner(experiment, prepared)
    losses: dict[str, list[np.ndarray]] = {"train": [], "validation": []}
    while not learner.finished:
        metrics = learner.train_epoch()
        print(f"epoch {learner.epoch}: validation {metrics['validation/accuracy']:.4f}", flush=True)
        for split, kept in losses.items():
            kept.append(measure_losses(learner, data.rows[split]))
    learner.net.load_state_dict(learner.best_weights)
    return learner, prepared, losses


def measure_losses(learner: Learner, rows: dict[str, np.ndarray]) -> np.ndarray:
    """Cross-entropy of each row now, (n,)."""
    seen = inside.embed(learner.net, torch.from_numpy(rows["features"]))
    label = torch.from_numpy(rows["label"])
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(seen.scores), label, reduction="none")
    return np.asarray(loss)


def measure(
    results: report.Report, data: DataSet, flipped: dict[str, np.ndarray], seed: int
) -> None:
    """Train, list the rows of both splits, and count."""
    began = time.perf_counter()
    learner, prepared, losses = train(data, seed)
    trained = time.perf_counter() - began
    early = dict.fromkeys(("the list", "the loss alone", "the mean loss over the epochs"), 0)
    began = time.perf_counter()
    for split, which in flipped.items():
        seen = samples.look(learner.net, prepared, split)
        assert len(seen.frame) == len(which), "rows that were not looked at"
        orders = (seen.frame["doubt"], seen.frame["loss"], np.mean(losses[split], axis=0))
        for way, order in zip(early, orders, strict=True):
            early[way] += count_early(np.asarray(order), which)
    listed = time.perf_counter() - began
    num_rows = sum(map(len, flipped.values()))
    num_flipped = sum(int(which.sum()) for which in flipped.values())
    case = f"{num_flipped:,} of {num_rows:,} labels flipped: not in the first tenth of"
    for way, count in early.items():
        limit = 100 - 100 * _AIM if way == "the list" else None
        missed = 100 * (1 - count / num_flipped)
        results.add(case, way, missed, "%", limit=limit, note=f"{count:,} are in it")
    results.add("time", "the recipe's training", trained, note=f"{learner.epoch} epochs")
    results.add("time", "the list", listed)


def main() -> None:
    parser = report.make_parser(__doc__, rounds=1)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("WORKBENCH_TEST_DATA", ""))
    )
    parser.add_argument("--share", type=float, default=0.05, help="of the labels, to be flipped")
    parser.add_argument("--rows", type=int, help="training rows to take; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    results = report.Report(
        "label_errors", "Flipped labels in the first tenth of the list", options
    )
    torch.set_num_threads(options.threads)
    data, flipped = make_data(options.data, options.share, options.rows, options.seed)
    with tempfile.TemporaryDirectory() as home:  # where the prepared rows lie
        os.environ["WORKBENCH_HOME"] = home
        measure(results, data, flipped, options.seed)
    results.finish()


if __name__ == "__main__":
    main()
