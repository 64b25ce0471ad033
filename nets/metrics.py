"""How good scores are: by class, and for measured values. torchmetrics counts; it is imported where
it is used, because it loads SciPy and Matplotlib, which takes as long as torch itself."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_RANGES = 10
"""Ranges of confidence, as the reliability diagram has."""


class PerClass(NamedTuple):
    """One value per class, (classes,) each; 0 where a class has no rows or no predictions."""

    precision: Tensor
    """Share of the rows predicted as the class that are of it."""
    recall: Tensor
    """Share of the class's rows that are predicted as it."""
    f1: Tensor
    """Harmonic mean of the two."""
    support: Tensor
    """Rows of the class, int64."""


def confusion(scores: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """(classes, classes) int64: rows are the true class, columns the predicted one.

    Args:
        scores: (N, classes) logits or probabilities; the highest is the prediction.
        labels: (N,) int64.
    """
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    if len(labels) == 0:
        return torch.zeros(num_classes, num_classes, dtype=torch.int64)
    counts: Tensor = multiclass_confusion_matrix(_predict(scores), labels, num_classes)
    return counts


def per_class(scores: Tensor, labels: Tensor, num_classes: int) -> PerClass:
    """Precision, recall, F1 and support of every class. Arguments as `confusion`."""
    from torchmetrics.functional import classification as tm

    support = torch.bincount(labels, minlength=num_classes)
    if len(labels) == 0:
        none = torch.zeros(num_classes)
        return PerClass(none, none, none, support)
    predicted = _predict(scores)
    return PerClass(
        tm.multiclass_precision(predicted, labels, num_classes, average="none"),
        tm.multiclass_recall(predicted, labels, num_classes, average="none"),
        tm.multiclass_f1_score(predicted, labels, num_classes, average="none"),
        support,
    )


def accuracy(scores: Tensor, labels: Tensor, num_classes: int) -> float:
    """Share of the rows predicted right; NaN for no rows. Arguments as `confusion`."""
    from torchmetrics.functional.classification import multiclass_accuracy

    if len(labels) == 0:
        return float("nan")
    return float(multiclass_accuracy(_predict(scores), labels, num_classes, average="micro"))


def macro_f1(scores: Tensor, labels: Tensor, num_classes: int) -> float:
    """Mean F1 over the classes that have rows or predictions; NaN for no rows.

    Counted here: it is needed after every epoch, and torchmetrics takes a second to import.
    """
    if len(labels) == 0:
        return float("nan")
    predicted = _predict(scores)
    right = torch.bincount(labels[predicted == labels], minlength=num_classes)
    # F1 = 2 right / (predicted as the class + of the class)
    both = torch.bincount(torch.cat([predicted, labels]), minlength=num_classes)
    there = both > 0
    return float((2 * right[there] / both[there]).double().mean())


def calibration_bins(scores: Tensor, labels: Tensor) -> Tensor:
    """(3, 10) float64: rows, sum of the confidences and number of right answers by range of confidence.

    Arguments as `confusion`, with logits.
    """
    confidence, predicted = torch.softmax(scores.float(), 1).max(1)
    return bin_confidences(confidence, predicted == labels)


def bin_confidences(confidence: Tensor, right: Tensor) -> Tensor:
    """`calibration_bins` of answers. Ranges are of equal width, and the upper end belongs to each.

    Args:
        confidence: (N,) probability of each predicted class, 0 to 1.
        right: (N,) bool, whether each prediction is the label.
    """
    number = (confidence * _RANGES).ceil().long().clamp(1, _RANGES) - 1
    columns = (torch.ones_like(confidence), confidence, right)
    weights = torch.stack([column.double() for column in columns])  # (3, N)
    bins = torch.zeros(3, _RANGES, dtype=torch.float64, device=confidence.device)
    return bins.index_add_(1, number, weights).cpu()


def calibration_error(bins: Tensor) -> float:
    """Mean distance of confidence and share of right answers, each range by its rows; NaN for no rows.

    The expected calibration error of Naeini et al. 2015, "Obtaining well calibrated probabilities using
    Bayesian binning" (Guo et al. 2017 for nets): 0 is best.

    Args:
        bins: from `calibration_bins`, of all rows.
    """
    rows, confidence, right = bins
    return float((confidence - right).abs().sum() / rows.sum()) if rows.sum() else float("nan")


def regression(values: Tensor, targets: Tensor) -> dict[str, float]:
    """mse, mae and r2 (share of the targets' variance explained) over all outputs together.

    r2 is NaN for fewer than two rows. Args: values: (N, outputs) or (N,); targets: as many.
    """
    import torchmetrics.functional as tm

    if len(targets) == 0:
        return dict.fromkeys(("mse", "mae", "r2"), float("nan"))
    values = values.reshape(len(targets), -1).double()
    targets = targets.reshape(len(targets), -1).double()
    r2 = float(tm.r2_score(values, targets)) if len(targets) > 1 else float("nan")
    return {
        "mse": float(tm.mean_squared_error(values, targets)),
        "mae": float(tm.mean_absolute_error(values, targets)),
        "r2": r2,
    }


def _predict(scores: Tensor) -> Tensor:
    return scores.argmax(1)
