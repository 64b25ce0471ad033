"""How good a net is with no setting but the path to the data: recipes beside a linear model.

    python -m benchmarks.quality --data ../shared/data
    python -m benchmarks.quality --data ../shared/data --only fashion_mnist,cifar10
    python -m benchmarks.quality --development --data FOLDER
    python -m benchmarks.quality --show

For each data set that is there: the recipe's experiment, trained with three seeds by the same learner as
`workbench train`, on the set's own test split where it has one. One process, without Ray and Spark: what
is measured is the nets. The published figures are of other splits and sizes of net; they say what can be
reached, not what should be.

Recipes are chosen on other data, the development sets: each seed draws other rows for test there, so
that a difference of a few rows is not taken for one of the recipes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from benchmarks.development_sets import DEVELOPMENT_SETS
from benchmarks.quality_sets import SETS, DataSet
from nets import PreparationConfig, Sums
from nets.mel import log_mel
from workbench.bridge import Prepared, store_arrays
from workbench.experiments.experiment import Experiment
from workbench.experiments.recipes import Facts, Recipe, choose_recipe
from workbench.training.evaluation import evaluate_best
from workbench.training.learner import Learner
from workbench.training.verdicts import are_alike, best_baseline

RESULTS = Path(__file__).parent / "results"


def prepare(data: DataSet, preparation: PreparationConfig) -> Prepared:
    """The rows in a prepared store, with the figures of the training split."""
    train = data.rows["train"]
    statistics_of = targets = counts = None
    if data.spec.kind == "sound":
        bands = log_mel(train["features"], preparation.spectrogram, data.spec)
        sums = Sums(bands.shape[2])
        sums.add(bands.reshape(-1, bands.shape[2]).astype(np.float64))
        statistics_of = sums.statistics()
    elif data.spec.kind != "tokens":
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


def recipe_of(data: DataSet) -> Recipe:
    """What `workbench train PATH` would choose."""
    train = data.rows["train"]["label"]
    facts = Facts(
        kind=data.spec.kind,
        shape=data.spec.shape,
        num_rows=len(train),
        labels=data.labels,
        class_counts=() if data.labels is None else tuple(np.bincount(train).tolist()),
        forecast=data.forecast is not None,
        rate=data.spec.rate,
    )
    characters = data.text is not None and data.text.tokenizer == "characters"
    return choose_recipe(facts, characters=characters)


def train_once(name: str, data: DataSet, recipe: Recipe, seed: int) -> tuple[dict[str, float], int]:
    """Metrics of the test rows, baselines among them; and which epoch was the best."""
    prepared = prepare(data, recipe.preparation)
    experiment = Experiment(
        name=name,
        preparation=recipe.preparation,
        net=recipe.net,
        training=replace(recipe.training, seed=seed, health=False),
    )
    learner = Learner(experiment, prepared)
    while not learner.finished:
        learner.train_epoch()
    metrics = evaluate_best(experiment, prepared, _save(learner.best_weights)).metrics
    return metrics, learner.monitor.best_epoch


def measure(name: str, read: Any, seeds: int) -> dict[str, Any]:
    """The recipe's results over the seeds, and its baselines.

    Args:
        read: gives the data of a seed.
    """
    found: dict[str, list[Any]] = {"values": [], "best": [], "minutes": [], "epochs": []}
    data, recipe, rows = None, None, 0
    for seed in range(seeds):
        data = read(seed)
        recipe = recipe_of(data)
        began = time.perf_counter()
        metrics, epoch = train_once(name, data, recipe, seed)
        found["minutes"].append((time.perf_counter() - began) / 60)
        found["values"].append(metrics[data.metric])
        baselines = {k: v for k, v in metrics.items() if k.startswith("baseline/")}
        best = best_baseline(metrics, unit_of(data.metric))
        found["best"].append(best)
        found["epochs"].append(epoch)
        rows += len(data.rows["test"]["label"])
        print(
            f"{name}, seed {seed}: {found['values'][-1]:.4f} ({show_best([best] if best else [])}), "
            f"epoch {epoch} of {recipe.training.epochs}, {found['minutes'][-1]:.2f} min",
            flush=True,
        )
    assert data is not None and recipe is not None
    return {
        "metric": data.metric,
        "values": found["values"],
        "best_baselines": found["best"],
        "baselines": baselines,
        "test_rows": rows,
        "best_epochs": found["epochs"],
        "minutes": statistics.median(found["minutes"]),
        "published": data.published,
        "net": recipe.net.kind,
    }


def _save(weights: dict[str, torch.Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: value.contiguous() for name, value in weights.items()})


def unit_of(metric: str) -> str:
    """The unit in which baselines are compared: those of macro F1 are accuracies."""
    return "mse" if metric.endswith("mse") else "accuracy"


def is_below(one: Mapping[str, Any]) -> bool:
    """Whether the recipe is worse than the best baseline by more than chance explains.

    Accuracies: two standard errors of a difference of two proportions, on all test rows. Errors: their
    mean over the seeds by more than two standard errors of the ratio, and by 2 %.
    """
    values = np.array(one["values"])
    bases = np.array([value for _, value in bases_of(one)])
    if not len(bases) or not one["metric"].endswith(unit_of(one["metric"])):
        return False
    if unit_of(one["metric"]) == "accuracy":
        own, base = float(values.mean()), float(bases.mean())
        rows = one.get("test_rows") or int(one["baselines"]["baseline/rows"]) * len(values)
        return own < base and not are_alike(own, base, rows)
    ratio = values / bases
    error = ratio.std(ddof=1) / len(ratio) ** 0.5 if len(ratio) > 1 else 0.0
    return bool(ratio.mean() - 1 > max(2 * error, 0.02))


def bases_of(one: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The best baseline of each seed; where the rows for test are the same, so is the baseline."""
    bases = one.get("best_baselines")
    if bases is None:
        bases = [best_baseline(one["baselines"], unit_of(one["metric"]))] * len(one["values"])
    return [(base[0], base[1]) for base in bases if base]


def show_best(bases: Sequence[tuple[str, float]]) -> str:
    """The best baselines of the seeds as text: the name of the first, and the mean."""
    return f"{bases[0][0]} {statistics.fmean(base[1] for base in bases):.4g}" if bases else "-"


def table(measured: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| data | metric | recipe (mean, range) | best baseline | | published | minutes |"
    yield "|---|---|---|---|---|---|---|"
    for name, one in measured.items():
        values = one["values"]
        shown = f"{statistics.fmean(values):.4g} ({min(values):.4g}-{max(values):.4g})"
        metric, unit = one["metric"].partition("/")[2], unit_of(one["metric"])
        best = show_best(bases_of(one)) + ("" if metric == unit else f" ({unit})")
        below = "below" if is_below(one) else ""
        yield (
            f"| {name} | {metric.replace('_', ' ')} | {shown} | {best} | {below} | "
            f"{one['published']} | {one['minutes']:.1f} |"
        )


def show(suite: str) -> None:
    """The saved results as a table."""
    kept = json.loads((RESULTS / f"{suite}.json").read_text())["sets"]
    print("\n".join(table(kept)))
    print(f"\nBelow its best baseline: {sum(map(is_below, kept.values()))} of {len(kept)}.")


def read_names(text: str) -> list[str]:
    """Names of sets, separated by commas, with _ or - between words.

    Raises:
        argparse.ArgumentTypeError: one is unknown.
    """
    known = {name.lower().replace("_", "-"): name for name in (*SETS, *DEVELOPMENT_SETS)}
    names = [name.lower().replace("_", "-") for name in text.split(",") if name]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"unknown set {unknown[0]!r}. Known: {', '.join(known)}")
    return [known[name] for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("WORKBENCH_TEST_DATA", ""))
    )
    parser.add_argument(
        "--only", nargs="+", type=read_names, help="names of sets; commas or spaces between them"
    )
    parser.add_argument(
        "--development", action="store_true", help="the sets that recipes are chosen on"
    )
    parser.add_argument(
        "--show", action="store_true", help="print the saved results, train nothing"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-keep", action="store_true", help="leave benchmarks/results as it is")
    options = parser.parse_args()
    suite = "development" if options.development else "quality"
    if options.show:
        return show(suite)
    sets = DEVELOPMENT_SETS if options.development else SETS
    chosen = [name for names in options.only or [list(sets)] for name in names]
    if wrong := [name for name in chosen if name not in sets]:
        other = "leave out" if options.development else "add"
        parser.error(f"{wrong[0]} is of the other suite: {other} --development.")
    torch.set_num_threads(options.threads)
    measured: dict[str, dict[str, Any]] = {}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        os.environ["WORKBENCH_HOME"] = home
        for name in chosen:
            read = sets[name]
            try:
                one = measure(name, lambda seed, read=read: read(options.data, seed), options.seeds)
            except (FileNotFoundError, StopIteration) as error:
                print(f"{name}: not there ({error})")
                continue
            measured[name] = one
            if not options.no_keep:  # after each: a run of an hour may be interrupted
                keep(suite, measured)
    print("\n".join(table(measured)))
    print(f"{(time.perf_counter() - began) / 60:.1f} minutes in all.")


def keep(suite: str, measured: Mapping[str, Any]) -> None:
    """Put results beside those of other sets."""
    path = RESULTS / f"{suite}.json"
    before = json.loads(path.read_text())["sets"] if path.exists() else {}
    kept = {"machine": machine.describe(), "sets": before | measured}
    path.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
