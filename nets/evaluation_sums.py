"""What an evaluation adds up to, batch by batch: counts and sums that do not grow with the rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nets.metrics import PerClass, calibration_bins, calibration_error
from nets.statistics import Sums
from nets.task import Task

MOST_CLASSES = 4096
"""Above, the counts by class are kept but no confusion matrix, which would take classes² * 8 bytes."""
_BY_CLASS = ("right", "predicted", "support")


@dataclass
class EvaluationSums:
    """Sums over rows; parts of a split add up."""

    task: Task
    count: int = 0
    weighted_loss: float = 0.0
    """Sum of the losses times their weights."""
    total_weight: float = 0.0
    right: Tensor | None = None
    """(classes,) int64: rows that are predicted right, by class; None where there are no classes."""
    predicted: Tensor | None = None
    """(classes,) int64: rows predicted as the class."""
    support: Tensor | None = None
    """(classes,) int64: rows of the class."""
    confusion: Tensor | None = None
    """(classes, classes) int64, true by predicted; None above `MOST_CLASSES`."""
    calibration: Tensor | None = None
    """(3, 10) float64, from `nets.metrics.calibration_bins`."""
    squared: float = 0.0
    """Measured values: sum of the squared errors over all rows and outputs."""
    absolute: float = 0.0
    squared_by_output: Tensor | None = None
    """(outputs,) float64."""
    targets: Sums | None = None
    """Mean and spread of each output's true values."""

    @classmethod
    def of(
        cls, task: Task, scores: Tensor, labels: Tensor, losses: Tensor, weights: Tensor
    ) -> EvaluationSums:
        """Of some rows; arguments as in `nets.evaluation.Evaluation`.

        Args:
            weights: (N,), how much each row counts in the loss.
        """
        loss = float((losses.double() * weights).sum())
        total = float(weights.sum(dtype=torch.float64))
        sums = cls(task, len(losses), loss, total)
        if task is Task.CLASSES:
            sums.count_classes(scores, labels)
        elif task is Task.VALUES:
            sums.measure_values(scores, labels)
        return sums

    def count_classes(self, scores: Tensor, labels: Tensor) -> None:
        """Set the counts by class; arguments as in `of`."""
        classes, predicted = scores.shape[1], scores.argmax(1)
        self.right = torch.bincount(labels[predicted == labels], minlength=classes).cpu()
        self.predicted = torch.bincount(predicted, minlength=classes).cpu()
        self.support = torch.bincount(labels, minlength=classes).cpu()
        self.calibration = calibration_bins(scores, labels)
        if classes <= MOST_CLASSES:
            cells = torch.bincount(labels * classes + predicted, minlength=classes**2)
            self.confusion = cells.reshape(classes, classes).cpu()

    def measure_values(self, scores: Tensor, labels: Tensor) -> None:
        """Set the sums of measured values; arguments as in `of`."""
        targets = labels.reshape(len(labels), -1).double().cpu()
        errors = scores.reshape(len(labels), -1).double().cpu() - targets
        self.squared_by_output = errors.square().sum(0)
        self.squared, self.absolute = float(errors.square().sum()), float(errors.abs().sum())
        self.targets = Sums(targets.shape[1])
        self.targets.add(targets.numpy())

    def add(self, other: EvaluationSums) -> None:
        """Add the sums of other rows."""
        if not other.count:
            return
        self.count += other.count
        self.weighted_loss += other.weighted_loss
        self.total_weight += other.total_weight
        self.squared += other.squared
        self.absolute += other.absolute
        for name in (*_BY_CLASS, "confusion", "calibration", "squared_by_output"):
            own, more = getattr(self, name), getattr(other, name)
            setattr(self, name, more if own is None else own + more)
        if other.targets is not None:
            if self.targets is None:
                self.targets = Sums(len(other.targets.mean))
            self.targets.merge(other.targets)

    @property
    def loss(self) -> float:
        """Mean loss; NaN without weight."""
        return self.weighted_loss / self.total_weight if self.total_weight else float("nan")

    def metrics(self) -> dict[str, float]:
        """As `Evaluation.metrics`, without the loss and without a prefix."""
        if self.right is not None and self.predicted is not None and self.support is not None:
            assert self.calibration is not None
            both = self.predicted + self.support
            there = both > 0
            f1 = (2 * self.right[there] / both[there]).double().mean()
            return {
                "accuracy": int(self.right.sum()) / self.count,
                "macro_f1": float(f1),
                "calibration_error": calibration_error(self.calibration),
            }
        if self.squared_by_output is None or self.targets is None:
            return {}
        values = self.count * len(self.targets.mean)
        # As torchmetrics: the mean over the outputs; 1 without an error, 0 without a spread.
        errors, spread = self.squared_by_output, torch.from_numpy(self.targets.moment)
        none = torch.zeros_like(errors)
        has_error, has_spread = (~torch.isclose(x, none, atol=1e-4) for x in (errors, spread))
        r2 = torch.where(has_error & has_spread, 1 - errors / spread, 1.0)
        r2[has_error & ~has_spread] = 0.0
        return {
            "mse": self.squared / values,
            "mae": self.absolute / values,
            "r2": float(r2.mean()) if self.count > 1 else float("nan"),
        }

    def per_class(self) -> PerClass:
        """Precision, recall, F1 and support of every class."""
        assert self.right is not None and self.predicted is not None and self.support is not None
        right = self.right.double()
        return PerClass(
            (right / self.predicted.clamp(min=1)).float(),
            (right / self.support.clamp(min=1)).float(),
            (2 * right / (self.predicted + self.support).clamp(min=1)).float(),
            self.support,
        )
