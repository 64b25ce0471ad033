"""A result beside its baselines: what answers without a net reach on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench.progress.terminal import number_text
from workbench.results import TrialResult

_ANSWERS = {
    "last_value": "repeating the last value",
    "last_season": "repeating the last season",
    "mean": "always giving the mean of the training rows",
    "commonest_class": "always naming the commonest class",
}


def list_baselines(metrics: Mapping[str, float]) -> dict[str, str]:
    """Names and texts to show: the net's own result, then each baseline in the same unit."""
    split = "test" if any(name.startswith("test/") for name in metrics) else "validation"
    shown = {}
    for unit in ("accuracy", "mse", "mae"):
        baselines = _of_unit(metrics, unit)
        if baselines and f"{split}/{unit}" in metrics:
            shown[f"{split}/{unit}"] = number_text(metrics[f"{split}/{unit}"])
            shown |= {name: number_text(value) for name, value in baselines.items()}
    if shown and "baseline/rows" in metrics:
        shown[f"{split} rows"] = f"{int(metrics['baseline/rows']):,}"
    return shown


def describe_worse(metrics: Mapping[str, float]) -> str | None:
    """The sentence where the net is worse than its best baseline; None where it is not."""
    split = "test" if any(name.startswith("test/") for name in metrics) else "validation"
    for unit in ("accuracy", "mse", "mae"):
        own, baselines = metrics.get(f"{split}/{unit}"), _of_unit(metrics, unit)
        if own is None or not baselines:
            continue
        more = unit == "accuracy"
        name = (max if more else min)(baselines, key=baselines.__getitem__)
        if (own < baselines[name]) if more else (own > baselines[name]):
            what = f"accuracy {number_text(own)} is lower" if more else ""
            what = what or f"error ({unit}) {number_text(own)} is larger"
            answer = _ANSWERS.get(name.split("/")[1], name)
            return f"The net's {what} than {answer}: {number_text(baselines[name])}."
    return None


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


def _of_unit(metrics: Mapping[str, float], unit: str) -> dict[str, float]:
    return {
        name: value
        for name, value in metrics.items()
        if name.startswith("baseline/") and name.endswith(f"/{unit}")
    }
