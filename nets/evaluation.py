"""The result of an evaluation: scores, labels and losses of every row, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nets.metrics import macro_f1, regression
from nets.task import Task


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One pass over a split, on the CPU, rows in the order they came in."""

    task: Task
    """What the net learns."""
    loss: float
    """Mean of the losses, weighted as in training (by class and row)."""
    count: int
    """Number of rows, N."""
    total_weight: float
    """Sum of the weights behind `loss`; N where there are none."""
    scores: Tensor
    """(N, num_outputs) float32; (N, 0) for a reconstruction, which is as large as the data."""
    labels: Tensor
    """(N,) int64, or float for measured values."""
    losses: Tensor
    """(N,) float32, each row's own loss, before any weight."""

    def metrics(self, prefix: str) -> dict[str, float]:
        """By name, as `validation/loss`: loss; accuracy and macro_f1 for classes; mse, mae and r2
        for measured values."""
        values = {"loss": self.loss}
        if self.task is Task.CLASSES:
            right = int((self.scores.argmax(1) == self.labels).sum()) if self.count else 0
            values["accuracy"] = right / self.count if self.count else float("nan")
            values["macro_f1"] = macro_f1(self.scores, self.labels, self.scores.shape[1])
        elif self.task is Task.VALUES:
            values |= regression(self.scores, self.labels)
        return {f"{prefix}/{name}": value for name, value in values.items()}

    @staticmethod
    def merge(parts: Sequence[Evaluation]) -> Evaluation:
        """The evaluation of all rows, from the ranks' shares in rank order."""
        assert parts, "nothing to merge"
        total = sum(part.total_weight for part in parts)
        loss = sum(part.loss * part.total_weight for part in parts if part.count)
        return Evaluation(
            task=parts[0].task,
            loss=loss / total if total else float("nan"),
            count=sum(part.count for part in parts),
            total_weight=total,
            scores=torch.cat([part.scores for part in parts]),
            labels=torch.cat([part.labels for part in parts]),
            losses=torch.cat([part.losses for part in parts]),
        )
