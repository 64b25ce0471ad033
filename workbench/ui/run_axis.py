"""What the curves of a run are drawn over: epochs, steps, rows or the time of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.ui import store
from workbench.ui.store import Points

STEP = "step/"
"""What the names of metrics by step begin with."""
_STEPS_PER_EPOCH = "workbench.used.steps_per_epoch"
_UNITS = ((2 * 86400, 86400, "days"), (2 * 3600, 3600, "hours"), (120, 60, "minutes"))


@dataclass(frozen=True)
class Axis:
    """Turns epochs and steps into what is on the axis."""

    name: str
    """epoch, step, rows or time."""
    label: str
    """As it stands below the axis."""
    steps_per_epoch: float
    """1 where only epochs were recorded."""
    steps: tuple[float, ...] = (0.0,)
    values: tuple[float, ...] = (0.0,)
    """Rows or time at these steps."""

    def of_epochs(self, points: Points) -> Points:
        """Points over epochs, over this axis."""
        if self.name == "epoch":
            return points
        return self.of_steps([(x * self.steps_per_epoch, y) for x, y in points])

    def of_steps(self, points: Points) -> Points:
        """Points over steps, over this axis."""
        if self.name == "step":
            return points
        if self.name == "epoch":
            return [(x / self.steps_per_epoch, y) for x, y in points]
        places = np.interp([x for x, _ in points], self.steps, self.values)
        return [(float(x), y) for x, (_, y) in zip(places, points, strict=True)]


def names(run: store.Run, history: Mapping[str, Points]) -> list[str]:
    """The axes that the run's curves can be drawn over."""
    if _STEPS_PER_EPOCH not in run.tags:
        return ["epoch"] if history.get("train/loss") else ["step"]
    return ["epoch", "step", *(["rows", "time"] if history.get("step/rows") else [])]


def make(run: store.Run, history: Mapping[str, Points], name: str) -> Axis:
    """The axis of this name, one of `names`."""
    steps = float(run.tags.get(_STEPS_PER_EPOCH, 1))
    if name in ("epoch", "step"):
        return Axis(name, name, steps)
    points = history["step/rows" if name == "rows" else "step/seconds"]
    unit, label = 1, "rows"
    if name == "time":
        longest = points[-1][1]
        unit, label = next(((u, n) for most, u, n in _UNITS if longest > most), (1, "seconds"))
        label = f"{label} of training"
    xs, values = zip(*[(0.0, 0.0), *points], strict=True)
    return Axis(name, label, steps, xs, tuple(value / unit for value in values))


@dataclass(frozen=True)
class Part:
    """How far the epoch under way has come."""

    epoch: int
    """From 1."""
    share: float
    rows: int
    """Trained on in this epoch."""
    of: int
    """Rows of the epoch."""
    rows_per_s: float
    seconds_left: float


def part(run: store.Run, history: Mapping[str, Points]) -> Part | None:
    """The epoch under way, where some of it is recorded; None elsewhere."""
    rows, seconds = history.get("step/rows", []), history.get("step/seconds", [])
    steps = float(run.tags.get(_STEPS_PER_EPOCH, 0))
    if not rows or not steps or rows[-1][0] % steps == 0:
        return None
    last = rows[-1][0]
    begins = steps * (last // steps)
    xs = [0.0, *(x for x, _ in rows)]
    rows_before = float(np.interp(begins, xs, [0.0, *(y for _, y in rows)]))
    seconds_before = float(np.interp(begins, xs, [0.0, *(y for _, y in seconds)][: len(xs)]))
    done, took = rows[-1][1] - rows_before, seconds[-1][1] - seconds_before
    share = (last - begins) / steps
    rate = done / took if took > 0 else 0.0
    of = round(done / share)
    left = (of - done) / rate if rate else 0.0
    return Part(int(last // steps) + 1, share, round(done), of, rate, left)
