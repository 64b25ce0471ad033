"""The training loss by step: means over equal parts of an epoch, few enough to be recorded."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from nets.training import TrainingConfig
from nets.workers import add_up, world_size

_AN_EPOCH, _A_RUN = 200, 4000
"""Points of an epoch and of a whole training where `TrainingConfig.loss_points` is None."""


class StepPoint(NamedTuple):
    """A part of an epoch."""

    step: int
    """Steps since the beginning of the training, at the end of the part."""
    rows: int
    """Rows since then, over all workers."""
    seconds: float
    """Seconds of training since then, without evaluations."""
    learning_rate: float
    """Of the last step."""
    loss: float
    """Mean over the part's rows, as the gradient was taken of it."""


def steps_a_point(config: TrainingConfig, steps_per_epoch: int) -> int:
    """Steps of one part; 0 where no loss by step is wanted."""
    points = config.loss_points
    if points is None:
        points = min(_AN_EPOCH, max(1, _A_RUN // config.epochs))
    return -(-steps_per_epoch // points) if points else 0


class StepLosses:
    """Adds up the losses of the parts, over several workers and in a training that goes on."""

    def __init__(
        self,
        steps_a_point: int,
        *,
        rows: int = 0,
        seconds: float = 0.0,
        part_loss: float = 0.0,
        part_rows: int = 0,
    ) -> None:
        """
        Args:
            steps_a_point: steps of one part; 0: keep nothing.
            rows: trained on before, since the beginning.
            seconds: of training before.
            part_loss: sum of the losses of the part that is under way, of all workers.
            part_rows: its rows.
        """
        self.steps_a_point, self.rows, self.seconds = steps_a_point, rows, seconds
        self._merged, self._part_rows = part_loss, part_rows
        self._loss = 0.0
        """Of the part under way: this worker's, since the last `merge`."""
        self._own: list[tuple[float, int, StepPoint]] = []
        """Parts since the last `merge`: this worker's sum of losses, rows."""
        self._points: list[StepPoint] = []

    def add(
        self, loss: float, rows: int, *, step: int, seconds: float, rate: float, ends: bool
    ) -> None:
        """Add a step.

        Args:
            loss: finite.
            rows: of the batch, over all workers.
            step: its number since the beginning of the training, from 1.
            seconds: since training began that is under way, without what came before.
            ends: it is the last of its part.
        """
        self.rows += rows
        if not self.steps_a_point:
            return
        self._loss += loss * rows
        self._part_rows += rows
        if ends:
            point = StepPoint(step, self.rows, self.seconds + seconds, rate, 0.0)
            self._own.append((self._loss, self._part_rows, point))
            self._loss, self._part_rows = 0.0, 0

    def merge(self, device: torch.device) -> None:
        """Make the sums those of all workers; each of them calls it, after the same steps."""
        if not self.steps_a_point:
            return
        sums = [loss for loss, _, _ in self._own] + [self._loss]
        if world_size() > 1:
            parts = torch.tensor(sums, dtype=torch.float64, device=device) / world_size()
            sums = add_up(parts).tolist()
        sums[0] += self._merged
        self._merged, self._loss = sums.pop(), 0.0
        self._keep(sums)

    def end(self) -> list[StepPoint]:
        """All parts, for a training that cannot go on: since the last `merge`, this worker's losses."""
        sums = [loss for loss, _, _ in self._own]
        if sums:
            sums[0] += self._merged
        self._keep(sums)
        return self.take()

    def take(self) -> list[StepPoint]:
        """The parts that ended since the last call, up to the last `merge`."""
        points, self._points = self._points, []
        return points

    def state_dict(self) -> dict[str, Any]:
        """As the arguments of a new one; after `merge`. Parts that were not taken are not in it."""
        return {
            "rows": self.rows,
            "seconds": self.seconds,
            "part_loss": self._merged,
            "part_rows": self._part_rows,
        }

    def _keep(self, sums: list[float]) -> None:
        for loss, (_, rows, point) in zip(sums, self._own, strict=True):
            self._points.append(point._replace(loss=loss / rows))
        self._own = []
