"""Linear models in closed form or by L-BFGS: for the baseline, and for the wide part of a net."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from workbench.bridge import Prepared
from workbench.bridge.arrays import Arrays

_ROWS, _VALUES = 20_000, 30_000_000
"""Most training rows, and most numbers of them."""
_STEPS = 60
"""Iterations of L-BFGS at most."""


def some_rows(prepared: Prepared) -> Arrays:
    """Training rows: all, or so many that they are read and fitted in seconds, spread over the split."""
    split = prepared.splits["train"]
    most = min(_ROWS, max(1, _VALUES // int(np.prod(prepared.spec.shape))))
    with split.open() as rows:
        if split.num_rows <= most:
            return {name: np.array(values) for name, values in rows.read().items()}
        # Whole runs of rows: single ones would be read from everywhere on the disk.
        runs = 64
        size = max(1, most // runs)
        starts = np.linspace(0, split.num_rows - size, runs).astype(int)
        parts = [rows.read(start, start + size) for start in starts]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def labels_of(arrays: Arrays) -> np.ndarray:
    """(n,) int64, class indices."""
    return np.asarray(arrays["label"]).astype(np.int64).reshape(-1)


def values_of(arrays: Arrays) -> np.ndarray:
    """(n, outputs) float64, measured labels."""
    return np.asarray(arrays["label"], np.float64).reshape(len(arrays["label"]), -1)


def fit_classes(inputs: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Logistic regression with scikit-learn's default penalty (C = 1), by L-BFGS.

    Args:
        inputs: (n, features), standardised or of length 1; may be sparse.

    Returns:
        Weights (features, classes) and bias (classes,).
    """
    weight = torch.zeros(inputs.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=_STEPS, history_size=8, line_search_fn="strong_wolfe"
    )
    sparse = inputs.is_sparse
    transposed = inputs.t().coalesce() if sparse else inputs.t()

    def closure() -> Tensor:
        with torch.no_grad():
            scores = (torch.sparse.mm(inputs, weight) if sparse else inputs @ weight) + bias
            target = nn.functional.one_hot(labels, classes).float()
            slope = (scores.softmax(1) - target) / len(labels)
            grown = torch.sparse.mm(transposed, slope) if sparse else transposed @ slope
            weight.grad = grown + weight / len(labels)
            bias.grad = slope.sum(0)
            loss: Tensor = nn.functional.cross_entropy(scores, labels)
            return loss + weight.square().sum() / (2 * len(labels))

    optimizer.step(closure)
    return weight.detach(), bias.detach()


def fit_values(inputs: Tensor, values: Tensor, features: int) -> tuple[Tensor, Tensor]:
    """Ridge regression (penalty 1, as scikit-learn's), by the smaller of the two systems of equations.

    Args:
        inputs: (n, features), with mean 0; may be sparse.
        values: (n, outputs) float64.

    Returns:
        Weights (features, outputs) and bias (outputs,).
    """
    mean = values.mean(0)
    if inputs.is_sparse:
        inputs = inputs.to_dense() if features * inputs.shape[0] <= _VALUES else inputs
    if inputs.is_sparse:  # text with measured values: the mean stands for it
        return torch.zeros(features, values.shape[1]), mean.float()
    x, y = inputs.double(), values - mean
    if x.shape[0] < features:
        inner = x @ x.T + torch.eye(x.shape[0], dtype=torch.float64)
        weight = x.T @ torch.linalg.solve(inner, y)
    else:
        outer = x.T @ x + torch.eye(features, dtype=torch.float64)
        weight = torch.linalg.solve(outer, x.T @ y)
    return weight.float(), mean.float()
