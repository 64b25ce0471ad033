"""The metrics of one run over its steps: each step once, and the best value so far."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from tracking.errors import TrackingError

Mode = Literal["max", "min"]

BEST = "best/"
MAX_NAME = 250
"""Characters of a metric's, parameter's or tag's name: MLflow's MAX_ENTITY_KEY_LENGTH."""

_NAME = re.compile(r"[/\w.\- :]+")
# Whole words of the last part of a name: validation/loss, test/top5_accuracy.
_LOWER = {"loss", "error", "mse", "mae", "rmse", "perplexity"}
_HIGHER = {"accuracy", "f1", "precision", "recall", "auc", "auroc", "r2"}


def direction(name: str) -> Mode | None:
    """Which value of a metric is the best, by its name; None where neither is, and for the test
    split, which is measured once."""
    if name.startswith("test/"):
        return None
    words = set(re.split(r"[_\W]+", name.rpartition("/")[2].lower()))
    if words & _LOWER:
        return "min"
    return "max" if words & _HIGHER else None


def check_names(names: Iterable[str]) -> None:
    """Refuse names that MLflow would refuse, before anything is sent.

    Raises:
        TrackingError: a name is empty or too long, has other characters, or is no plain path.
    """
    for name in names:
        parts = name.split("/")
        if (
            not _NAME.fullmatch(name)
            or len(name) > MAX_NAME
            or any(part in ("", ".", "..") for part in parts)
        ):
            raise TrackingError(
                f"A metric's or parameter's name has at most {MAX_NAME} letters, digits, '_', '-', "
                f"'.', ':', spaces and single '/' between parts, got {name!r}."
            )


class Series:
    """Which steps of each metric are recorded, and the best value of those that have one."""

    def __init__(self, best: Mapping[str, Mode] | None = None) -> None:
        self._modes = dict(best or {})
        self._steps: dict[str, set[int]] = {}
        self._best: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._steps

    def add(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """Those of `values` that are new at this step, and `best/<metric>` where one is the best
        so far."""
        found: dict[str, float] = {}
        for name, value in values.items():
            if step in self._steps.setdefault(name, set()):
                continue
            self._steps[name].add(step)
            found[name] = float(value)
        for name, value in list(found.items()):
            if self._is_best(name, value) and BEST + name not in found:
                self._best[name] = found[BEST + name] = value
        return found

    def add_stored(self, name: str, values: Mapping[int, float]) -> None:
        """Take over what is stored already: step to value."""
        self._steps.setdefault(name, set()).update(values)
        for value in values.values():
            if self._is_best(name, value):
                self._best[name] = value

    def _is_best(self, name: str, value: float) -> bool:
        mode = self._modes.get(name) or direction(name)
        if mode is None or name.startswith(BEST) or math.isnan(value):
            return False
        # Also where the best value is reached again, so that best/... ends at the latest of equals
        best = self._best.get(name, value)
        return (max(best, value) if mode == "max" else min(best, value)) == value
