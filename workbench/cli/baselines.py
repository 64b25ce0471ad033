"""A result beside its baselines: what answers without a net reach on the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workbench.progress import Board
from workbench.progress.terminal import number_text
from workbench.results import TrialResult

_ANSWERS = {
    "last_value": "repeating the last value",
    "last_season": "repeating the last season",
    "linear": "a linear model",
    "mean": "always giving the mean of the training rows",
    "commonest_class": "always naming the commonest class",
}
WORSE = "The net is no better than the baseline"
"""Beginning of the verdict that `describe_worse` has in other words."""
_ROWS = "baseline/rows"
_UNITS = ("accuracy", "mse", "mae")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A net's result in one unit, and its baselines on the same rows."""

    metric: str
    """test/accuracy and the like; of validation where there is no test split."""
    value: float
    baselines: dict[str, float]
    """Metric to value; not empty."""
    rows: int | None
    """How many rows they were measured on; None: not recorded."""

    @property
    def split(self) -> str:
        """test or validation."""
        return self.metric.partition("/")[0]

    @property
    def unit(self) -> str:
        """accuracy, mse or mae."""
        return self.metric.rpartition("/")[2]

    @property
    def best(self) -> tuple[str, float]:
        """The baseline that is hardest to beat."""
        choose = max if self.unit == "accuracy" else min
        name = choose(self.baselines, key=self.baselines.__getitem__)
        return name, self.baselines[name]

    @property
    def is_worse(self) -> bool:
        """Whether a baseline is better than the net."""
        value = self.best[1]
        return self.value < value if self.unit == "accuracy" else self.value > value


def read_measured(metrics: Mapping[str, float]) -> Iterator[Measured]:
    """The results of a run that have a baseline in the same unit, by unit."""
    split = "test" if any(name.startswith("test/") for name in metrics) else "validation"
    rows = int(metrics[_ROWS]) if _ROWS in metrics else None
    for unit in _UNITS:
        metric = f"{split}/{unit}"
        baselines = {
            name: value
            for name, value in metrics.items()
            if name.startswith("baseline/") and name.endswith(f"/{unit}")
        }
        if baselines and metric in metrics:
            yield Measured(metric=metric, value=metrics[metric], baselines=baselines, rows=rows)


def list_baselines(metrics: Mapping[str, float]) -> dict[str, str]:
    """Names and texts to show: the net's own result, then each baseline in the same unit."""
    measured = list(read_measured(metrics))
    shown = {}
    for one in measured:
        shown[one.metric] = number_text(one.value)
        shown |= {name: number_text(value) for name, value in one.baselines.items()}
    if measured and measured[0].rows is not None:
        shown[f"{measured[0].split} rows"] = f"{measured[0].rows:,}"
    return shown


def describe_worse(metrics: Mapping[str, float]) -> str | None:
    """The sentence where the net is no better than its best baseline; None where it is."""
    for measured in read_measured(metrics):
        name, value = measured.best
        if not measured.is_worse and measured.value != value:
            continue
        what = "accuracy" if measured.unit == "accuracy" else f"error ({measured.unit})"
        answer = _ANSWERS.get(name.split("/")[1], name)
        own = f"The net's {what} {number_text(measured.value)}"
        if not measured.is_worse:
            return f"{own} is a tie with {answer}."
        verdict = "lower" if measured.unit == "accuracy" else "larger"
        return f"{own} is {verdict} than {answer}: {number_text(value)}."
    return None


def describe_best(metrics: Mapping[str, float]) -> tuple[str, str, str] | None:
    """A result, its best baseline and the rows they were measured on, each as short text.

    None where nothing was measured beside a baseline.
    """
    measured = next(read_measured(metrics), None)
    if measured is None:
        return None
    name, value = measured.best
    tie = " (a tie)" if value == measured.value else ""
    answer = name.split("/")[1].replace("_", " ")
    rows = "-" if measured.rows is None else f"{measured.rows:,}"
    own = f"{number_text(measured.value)} {measured.unit}"
    return own, f"{number_text(value)} {answer}{tie}", rows


def describe_tie(trials: Sequence[TrialResult]) -> str | None:
    """The sentence where the best trials have the same value; None where one is better.

    Args:
        trials: the best first.
    """
    best = trials[0].value if trials else None
    equal = [trial for trial in trials if best is not None and trial.value == best]
    if best is None or len(equal) < 2:
        return None
    return f"{len(equal)} trials tie at {number_text(best)}; the first by trial number is shown."


def find_like_best(
    board: Board, ranked: Sequence[int], rows: int | None
) -> tuple[list[int], str | None]:
    """Numbers of the trials that cannot be told from the best, and the sentence that explains the mark.

    Args:
        ranked: numbers of the trials, the best first.
        rows: that the board's metric is measured on.
    """
    valued = [(n, value) for n in ranked if (value := board.value(n)) is not None]
    if rows is None or len(valued) < 2:
        return [], None
    from workbench.training.verdicts import accuracy_band, like_best  # loads NumPy

    values = [value for _, value in valued]
    marks = like_best(values, metric=board.metric, rows=rows)
    alike = [number for (number, _), mark in zip(valued, marks, strict=True) if mark]
    if not alike:
        return [], None
    low, high = accuracy_band(values[0], rows)
    return alike, (
        f"~ {len(alike)} of {len(valued)} trials cannot be told from the best: on {rows:,} "
        f"{board.metric.partition('/')[0]} rows, chance moves {number_text(values[0])} between "
        f"{number_text(low)} and {number_text(high)}."
    )
