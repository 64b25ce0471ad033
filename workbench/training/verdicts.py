"""What a finished training's figures say, in words: what was seen, and what to try next.

Each rule looks at the curves and the test results of one run. Its bounds are wide: a healthy run has no
verdict. `noise_band` says how far an accuracy may lie off by chance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

History = Sequence[Mapping[str, float]]
"""Metrics of each epoch, in order."""

_DRAWS = 200
"""Bootstrap samples."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One thing that the figures of a run say."""

    name: str
    """worse_than_baseline, overfitting, underfitting, rate_too_high, rate_too_low, still_improving, classes_never_predicted or validation_unlike_test."""
    sentence: str
    """What was seen, with the figures."""
    next: str
    """What to try."""

    @property
    def text(self) -> str:
        """Both, to be shown."""
        return f"{self.sentence} {self.next}"


def judge(
    history: History,
    metrics: Mapping[str, float],
    *,
    epochs: int,
    best_epoch: int,
    patience: int = 0,
    schedule: str = "constant",
    has_classes: bool = True,
    wide: bool | None = None,
    never_predicted: Sequence[str] = (),
    rows: Mapping[str, int] | None = None,
) -> list[Verdict]:
    """The verdicts on a run, the weightiest first.

    Args:
        history: train/loss, validation/loss and the like by epoch.
        metrics: of the best weights: test/..., baseline/...
        epochs: that were planned.
        best_epoch: from 1.
        schedule: `training.schedule`: where the rate falls to 0, a curve that still falls says little.
        wide: whether a linear model is beside the net (`net.wide`); None: this kind of net has none.
        never_predicted: classes with test rows that no row was taken for.
        rows: rows of validation and test.
    """
    found = [
        _worse_than_baseline(metrics, rows or {}, wide),
        *_rates(history),
        _overfitting(history, best_epoch, patience),
        _underfitting(history, metrics, has_classes),
        _still_improving(history, epochs, best_epoch, schedule),
        _never_predicted(never_predicted),
        _unlike_test(history, metrics, best_epoch, rows or {}),
    ]
    return [verdict for verdict in found if verdict is not None]


def find_never_predicted(evaluation: Mapping[str, Any]) -> list[str]:
    """Classes that have rows and that no row was taken for, from a run's `evaluation/test.json`."""
    counts = np.array(evaluation.get("confusion") or np.zeros((0, 0)))
    labels = evaluation.get("labels") or []
    return [
        str(label)
        for number, label in enumerate(labels)
        if counts[number].sum() > 0 and counts[:, number].sum() == 0
    ]


def noise_band(right: ArrayLike, *, seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """Between which figures the mean of `right` lies by chance.

    Of answers that are right or wrong Wilson's interval (1927), as a bootstrap of rows that are all
    right has no width; of other figures a bootstrap over the rows (Efron 1979).

    Args:
        right: (n,) 1 where a row is answered rightly, else 0; or any figure of each row.
    """
    values = np.asarray(right, np.float64)
    if not len(values):
        return float("nan"), float("nan")
    if np.isin(values, (0.0, 1.0)).all():
        return wilson_interval(float(values.mean()), len(values), level)
    draw = np.random.default_rng(seed)
    means = [draw.choice(values, len(values)).mean() for _ in range(_DRAWS)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson_interval(share: float, rows: int, level: float = 0.95) -> tuple[float, float]:
    """Between which shares the true one lies where `share` of `rows` was seen (Wilson 1927)."""
    squared = NormalDist().inv_cdf((1 + level) / 2) ** 2
    center = (share + squared / (2 * rows)) / (1 + squared / rows)
    spread = squared * (share * (1 - share) / rows + squared / (4 * rows**2))
    half = math.sqrt(spread) / (1 + squared / rows)
    return max(0.0, center - half), min(1.0, center + half)


def like_best(values: Sequence[float], *, metric: str, rows: int) -> list[bool]:
    """Of trials, best first: which cannot be told from the best, as far as chance explains it.

    Only of accuracies, which are shares of rows; other metrics have no band that follows from them alone.

    Args:
        values: of `metric`; the first is the best.
        rows: that the metric is measured on.

    Returns:
        One entry a value; the first is False, as the best needs no mark.
    """
    if not values or rows < 1 or metric.rpartition("/")[2] != "accuracy":
        return [False] * len(values)
    low, high = accuracy_band(values[0], rows)
    return [False, *(low <= value <= high for value in values[1:])]


def accuracy_band(accuracy: float, rows: int) -> tuple[float, float]:
    """`noise_band` of an accuracy on so many rows."""
    right = round(accuracy * rows)
    return noise_band(np.repeat([1.0, 0.0], [right, rows - right]))


def are_alike(one: float, other: float, rows: int) -> bool:
    """Whether two accuracies on the same number of rows differ by no more than chance explains.

    Two standard errors of a difference of two proportions. Runs on the same rows agree on most of
    them, so their difference is surer than this: what is called unlike is so.
    """
    if rows < 1:
        return True
    error = np.sqrt((one * (1 - one) + other * (1 - other)) / rows)
    return bool(abs(one - other) <= 2 * error)


def best_baseline(metrics: Mapping[str, float], unit: str) -> tuple[str, float] | None:
    """The baseline that is hardest to beat, as words, and its value; None where there is none.

    Args:
        metrics: baseline/... among others.
        unit: accuracy, or an error: mse, mae.
    """
    values = {
        name.split("/")[1].replace("_", " "): value
        for name, value in metrics.items()
        if name.startswith("baseline/") and name.endswith(f"/{unit}")
    }
    if not values:
        return None
    name = (max if unit == "accuracy" else min)(values, key=values.__getitem__)
    return name, values[name]


def _worse_than_baseline(
    metrics: Mapping[str, float], rows: Mapping[str, int], wide: bool | None
) -> Verdict | None:
    split = "test" if any(name.startswith("test/") for name in metrics) else "validation"
    better: Callable[[float, float], float]
    for unit, better in (("accuracy", max), ("mse", min)):
        own, baseline = metrics.get(f"{split}/{unit}"), best_baseline(metrics, unit)
        if own is None or baseline is None:
            continue
        name, value = baseline
        if better(own, value) == own and own != value:
            return None
        chance = ""
        if unit == "accuracy" and rows.get(split) and are_alike(own, value, rows[split]):
            chance = f", a difference that chance explains on {rows[split]:,} rows"
        return Verdict(
            name="worse_than_baseline",
            sentence=f"The net is as good as the baseline {name}, and no better: {unit} {own:.4g}."
            if own == value
            else f"The net is no better than the baseline {name}: {unit} {own:.4g} and "
            f"{value:.4g}{chance}.",
            next="Try net.wide, which puts a linear model beside the net, or another learning rate."
            if wide is False
            else "Try another learning rate, more epochs or another size of net.",
        )
    return None


def _rates(history: History) -> Iterator[Verdict]:
    losses = _curve(history, "train/loss")
    if len(losses) < 3:
        return
    rate = history[-1].get("learning_rate")
    low = min(losses)
    rises = sum(after > before * 1.05 for before, after in itertools.pairwise(losses))
    jumps = max(after / max(before, 1e-9) for before, after in itertools.pairwise(losses))
    if losses[-1] > losses[0] or jumps > 2 or rises >= max(3, len(losses) // 3):
        yield Verdict(
            name="rate_too_high",
            sentence=f"The training loss jumps: it rose by more than 5 % in {rises} epochs, and from "
            f"its lowest, {low:.4g}, to {losses[-1]:.4g} at the end.",
            next="Try a third of training.learning_rate, or training.clip_norm=1.",
        )
    elif losses[0] > 0 and (losses[0] - losses[-1]) < 0.02 * losses[0]:
        at = "" if not rate else f" at a rate of {rate:.3g}"
        yield Verdict(
            name="rate_too_low",
            sentence=f"The training loss hardly moved: from {losses[0]:.4g} to {losses[-1]:.4g} in "
            f"{len(losses)} epochs{at}.",
            next="Try three to ten times training.learning_rate.",
        )


def _overfitting(history: History, best_epoch: int, patience: int) -> Verdict | None:
    train, validation = _curve(history, "train/loss"), _curve(history, "validation/loss")
    if len(train) < 4 or len(validation) != len(train):
        return None
    low = int(np.argmin(validation))
    since = len(validation) - 1 - low
    if since < 3 or since <= patience or validation[-1] < 1.15 * validation[low]:
        return None
    if train[-1] > 0.9 * train[low]:
        return None
    return Verdict(
        name="overfitting",
        sentence=f"The net learns its rows by heart: since epoch {low + 1} the validation loss rose "
        f"from {validation[low]:.4g} to {validation[-1]:.4g}, while the training loss fell from "
        f"{train[low]:.4g} to {train[-1]:.4g}. The weights of epoch {best_epoch} were kept.",
        next="Try more net.dropout or training.weight_decay, augmentation, or fewer epochs "
        "(training.patience).",
    )


def _underfitting(
    history: History, metrics: Mapping[str, float], has_classes: bool
) -> Verdict | None:
    """A net that does not learn even its own rows: little better there than the commonest class."""
    if not has_classes or len(history) < 3:
        return None
    chance = metrics.get("baseline/commonest_class/accuracy")
    own = history[-1].get("train/accuracy")
    if chance is None or own is None or own > chance + 0.25 * (1 - chance):
        return None
    return Verdict(
        name="underfitting",
        sentence=f"The net does not learn its own training rows: accuracy {own:.3g} there, and "
        f"{chance:.3g} for always naming the commonest class.",
        next="Try a larger net, less dropout, more epochs or another learning rate.",
    )


def _still_improving(
    history: History, epochs: int, best_epoch: int, schedule: str
) -> Verdict | None:
    losses = _curve(history, "validation/loss")
    if schedule != "constant" or len(losses) < 4 or len(losses) < epochs or best_epoch < epochs:
        return None
    gain = (losses[-3] - losses[-1]) / max(abs(losses[-3]), 1e-9)
    if gain < 0.03 or min(losses) != losses[-1]:
        return None
    return Verdict(
        name="still_improving",
        sentence=f"It was still improving when it ended: the validation loss fell by {gain:.0%} in "
        f"the last two of {epochs} epochs, to {losses[-1]:.4g}.",
        next=f"Try training.epochs={2 * epochs}, with training.patience to stop in time.",
    )


def _never_predicted(names: Sequence[str]) -> Verdict | None:
    if not names:
        return None
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    classes = "class is" if len(names) == 1 else "classes are"
    return Verdict(
        name="classes_never_predicted",
        sentence=f"{len(names)} {classes} never predicted: {shown}.",
        next="Try training.class_weights=square_root or training.resample=over.",
    )


def _unlike_test(
    history: History, metrics: Mapping[str, float], best_epoch: int, rows: Mapping[str, int]
) -> Verdict | None:
    own = metrics.get("test/accuracy")
    chosen = [epoch for epoch in history if int(epoch.get("epoch", 0)) == best_epoch]
    held = chosen[0].get("validation/accuracy") if chosen else None
    num_test, num_held = rows.get("test", 0), rows.get("validation", 0)
    if own is None or held is None or not num_test or not num_held:
        return None
    error = np.sqrt(own * (1 - own) / num_test + held * (1 - held) / num_held + 1e-4)
    if abs(held - own) <= 4 * error:
        return None
    return Verdict(
        name="validation_unlike_test",
        sentence=f"Validation is unlike test: accuracy {held:.3g} on {num_held:,} validation rows, "
        f"{own:.3g} on {num_test:,} test rows, more than chance explains.",
        next="Look at how the rows were split: groups (data.split.by=group), times, or a test set of "
        "another origin.",
    )


def _curve(history: History, name: str) -> list[float]:
    return [float(epoch[name]) for epoch in history if name in epoch]
