"""The result of an evaluation: scores, labels and losses of the rows, and what they add up to.

Of a split whose scores take more than `HELD_BYTES`, those of the first rows are kept, and sums of all
rows: memory does not grow with the split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from nets.evaluation_sums import EvaluationSums
from nets.metrics import (
    PerClass,
    calibration_bins,
    calibration_error,
    confusion,
    macro_f1,
    per_class,
    regression,
)
from nets.task import Task

HELD_BYTES = 256 * 2**20
"""Scores, labels and losses that are kept, over all workers together."""


class EvaluatedRows(NamedTuple):
    """A batch's rows: as the fields of `Evaluation`, on the device."""

    scores: Tensor
    labels: Tensor
    losses: Tensor
    weights: Tensor
    """(N,), how much each row counts in the loss."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One pass over a split, on the CPU, rows in the order they came in.

    N is the number of rows that are kept: `count`, or fewer where `sums` is set.
    """

    task: Task
    """What the net learns."""
    loss: float
    """Mean of the losses, weighted as in training (by class and row)."""
    count: int
    """Number of rows."""
    total_weight: float
    """Sum of the weights behind `loss`; `count` where there are none."""
    scores: Tensor
    """(N, num_outputs) float32; (N, 0) for a reconstruction, which is as large as the data."""
    labels: Tensor
    """(N,) int64, or float for measured values; and those of a person's own."""
    losses: Tensor
    """(N,) float32, each row's own loss, before any weight."""
    sums: EvaluationSums | None = None
    """Of all rows, where not all of them are kept."""
    own: Mapping[str, float] = field(default_factory=dict)
    """Results of a person's own metrics, by name; of a whole split, so `merge` has none."""

    def per_class(self, num_classes: int) -> PerClass:
        """Precision, recall, F1 and support of every class."""
        if self.sums is not None:
            return self.sums.per_class()
        return per_class(self.scores, self.labels, num_classes)

    def confusion(self, num_classes: int) -> Tensor | None:
        """(classes, classes) int64: true class by predicted one. None where not all rows are kept and
        there are more than `evaluation_sums.MOST_CLASSES`."""
        if self.sums is not None:
            return self.sums.confusion
        return confusion(self.scores, self.labels, num_classes)

    def calibration(self) -> Tensor:
        """(3, 10) float64: rows, sum of the confidences and right answers by range of confidence."""
        if self.sums is not None and self.sums.calibration is not None:
            return self.sums.calibration
        return calibration_bins(self.scores, self.labels)

    def metrics(self, prefix: str) -> dict[str, float]:
        """By name, as `validation/loss`: loss; accuracy, macro_f1 and calibration_error for classes;
        mse, mae and r2 for measured values; and those of a person's own."""
        values = {"loss": self.loss}
        if self.sums is not None:
            values |= self.sums.metrics()
        elif self.task is Task.CLASSES:
            right = int((self.scores.argmax(1) == self.labels).sum()) if self.count else 0
            values["accuracy"] = right / self.count if self.count else float("nan")
            values["macro_f1"] = macro_f1(self.scores, self.labels, self.scores.shape[1])
            values["calibration_error"] = calibration_error(self.calibration())
        elif self.task is Task.VALUES:
            values |= regression(self.scores, self.labels)
        values |= self.own
        return {f"{prefix}/{name}": value for name, value in values.items()}

    @staticmethod
    def merge(parts: Sequence[Evaluation]) -> Evaluation:
        """The evaluation of all rows, from the ranks' shares in rank order."""
        assert parts, "nothing to merge"
        if any(part.sums is not None for part in parts):
            return _merge_sums(parts)
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


def collect(
    task: Task, parts: Iterable[EvaluatedRows], num_outputs: int, held_bytes: int
) -> Evaluation:
    """The evaluation of batches that come in order.

    Args:
        num_outputs: columns of the scores, for an evaluation without rows.
        held_bytes: at most so much is kept of the rows, but a batch at least.
    """
    kept: list[EvaluatedRows] = []
    held = 0
    later: EvaluationSums | None = None
    for part in parts:
        held += sum(x.numel() * x.element_size() for x in part)
        if later is None and kept and held > held_bytes:
            later = EvaluationSums(task)
        if later is None:
            kept.append(part)
        else:
            later.add(EvaluationSums.of(task, *part))
    if not kept:
        label = torch.zeros(0, dtype=torch.int64 if task.has_classes else torch.float32)
        kept = [EvaluatedRows(torch.zeros(0, num_outputs), label, torch.zeros(0), torch.zeros(0))]
    rows = EvaluatedRows(*(torch.cat(column).cpu() for column in zip(*kept, strict=True)))
    sums = None
    if later is not None:
        sums = EvaluationSums.of(task, *rows)
        sums.add(later)
    total = float(rows.weights.sum(dtype=torch.float64)) if sums is None else sums.total_weight
    if sums is not None:
        loss = sums.loss
    else:
        loss = float((rows.losses.double() * rows.weights).sum()) / total if total else math.nan
    return Evaluation(
        task=task,
        loss=loss,
        count=len(rows.losses) if sums is None else sums.count,
        total_weight=total,
        scores=rows.scores,
        labels=rows.labels,
        losses=rows.losses,
        sums=sums,
    )


def _merge_sums(parts: Sequence[Evaluation]) -> Evaluation:
    """Of parts of which one at least does not keep all of its rows."""
    whole = EvaluationSums(parts[0].task)
    for part in parts:
        if part.count:
            whole.add(part.sums or _add_up(part))
    return Evaluation(
        task=whole.task,
        loss=whole.loss,
        count=whole.count,
        total_weight=whole.total_weight,
        scores=parts[0].scores,
        labels=parts[0].labels,
        losses=parts[0].losses,
        sums=whole,
    )


def _add_up(part: Evaluation) -> EvaluationSums:
    sums = EvaluationSums.of(
        part.task, part.scores, part.labels, part.losses, torch.ones_like(part.losses)
    )
    sums.weighted_loss = part.loss * part.total_weight if part.count else 0.0
    sums.total_weight = part.total_weight
    return sums
