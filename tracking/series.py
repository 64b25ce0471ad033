"""The metrics of one run by step: each step once, and the best value so far."""

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
    """Whether a metric's largest or smallest value is the best, judged by its name. None: unknown, of
    the test split, which is measured once, or of a few steps (`step/loss`), which is noise."""
    if name.startswith(("test/", "step/")):
        return None
    words = set(re.split(r"[_\W]+", name.rpartition("/")[2].lower()))
    if words & _LOWER:
        return "min"
    return "max" if words & _HIGHER else None


def check_names(names: Iterable[str]) -> None:
    """Check names by MLflow's rules before anything is sent.

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
    """The recorded steps of each metric, and its best value where it has one."""

    def __init__(self, best: Mapping[str, Mode] | None = None) -> None:
        self._modes = dict(best or {})
        self._steps: dict[str, set[int]] = {}
        self._best: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._steps

    def add(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """Add a step. Returns the values that are new at it, and `best/<metric>` for each best value
        so far."""
        new: dict[str, float] = {}
        for name, value in values.items():
            if step in self._steps.setdefault(name, set()):
                continue
            self._steps[name].add(step)
            new[name] = float(value)
        for name, value in list(new.items()):
            if self._is_best(name, value) and BEST + name not in new:
                self._best[name] = new[BEST + name] = value
        return new

    def add_history(self, name: str, values: Mapping[int, float]) -> None:
        """Add values that the store has already: step to value."""
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
