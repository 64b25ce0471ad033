from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    mean_absolute_error,
    mean_squared_error,
    precision_recall_fscore_support,
    r2_score,
)

from nets import metrics


def scored(count: int, classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, classes, generator=generator)
    return scores, torch.randint(classes, (count,), generator=generator)


@given(count=st.integers(1, 40), classes=st.integers(2, 6), seed=st.integers(0, 500))
def test_counts_by_class_are_scikit_learns(count: int, classes: int, seed: int) -> None:
    scores, labels = scored(count, classes, seed)
    predicted, known = scores.argmax(1).numpy(), list(range(classes))
    table = metrics.confusion(scores, labels, classes)
    assert (table.numpy() == confusion_matrix(labels.numpy(), predicted, labels=known)).all()
    expected = precision_recall_fscore_support(
        labels.numpy(), predicted, labels=known, zero_division=0
    )
    found = metrics.per_class(scores, labels, classes)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.numpy() == pytest.approx(theirs, abs=1e-6)
    assert metrics.accuracy(scores, labels, classes) == pytest.approx(
        float(table.trace()) / count, abs=1e-6
    )


def test_macro_f1_is_the_mean_over_the_classes_that_occur() -> None:
    scores, labels = scored(60, 4, 0)
    expected = f1_score(labels.numpy(), scores.argmax(1).numpy(), average="macro")
    assert metrics.macro_f1(scores, labels, 4) == pytest.approx(expected, abs=1e-6)


@given(count=st.integers(1, 200), classes=st.integers(2, 6), seed=st.integers(0, 500))
def test_the_calibration_error_is_torchmetrics_and_adds_up(
    count: int, classes: int, seed: int
) -> None:
    from torchmetrics.functional.classification import multiclass_calibration_error

    scores, labels = scored(count, classes, seed)
    bins = metrics.calibration_bins(scores, labels)
    expected = multiclass_calibration_error(scores.softmax(1), labels, classes, n_bins=10)
    assert metrics.calibration_error(bins) == pytest.approx(float(expected), abs=1e-5)
    half = count // 2
    parts = [
        metrics.calibration_bins(scores[at], labels[at]) for at in (slice(half), slice(half, None))
    ]
    assert torch.allclose(bins, parts[0] + parts[1])
    assert math.isnan(metrics.calibration_error(torch.zeros(3, 10)))


def test_two_classes_are_classes_like_any() -> None:
    scores = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])
    table = metrics.confusion(scores, torch.tensor([0, 1, 1]), 2)
    assert table.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("outputs", [1, 3])
def test_measured_values_are_scikit_learns(outputs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(30, outputs, generator=generator)
    values = targets + 0.3 * torch.randn(30, outputs, generator=generator)
    found = metrics.regression(values, targets)
    assert found["mse"] == pytest.approx(mean_squared_error(targets.numpy(), values.numpy()))
    assert found["mae"] == pytest.approx(mean_absolute_error(targets.numpy(), values.numpy()))
    assert found["r2"] == pytest.approx(r2_score(targets.numpy(), values.numpy()))
    if outputs == 1:  # labels come as (N,)
        assert metrics.regression(values, targets[:, 0]) == pytest.approx(found)


def test_no_rows_give_no_number_and_no_error() -> None:
    scores, labels = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    assert metrics.confusion(scores, labels, 3).tolist() == [[0] * 3] * 3
    assert metrics.per_class(scores, labels, 3).support.tolist() == [0, 0, 0]
    assert math.isnan(metrics.accuracy(scores, labels, 3))
    assert math.isnan(metrics.macro_f1(scores, labels, 3))
    assert math.isnan(metrics.regression(scores, scores)["r2"])
    assert math.isnan(metrics.regression(torch.ones(1), torch.ones(1))["r2"])
