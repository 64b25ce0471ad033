from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from nets.errors import ConfigError
from nets.losses import Loss, balanced_weights
from nets.training import TrainingConfig

COUNTS = [40, 10, 0, 50]


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(9, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.tensor([0, 1, 3, 3, 0, 1, 3, 0, 1])


def log_softmax(logits: torch.Tensor) -> NDArray[np.float64]:
    x = logits.numpy()
    shifted = x - x.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def test_balanced_weights_make_every_class_count_the_same() -> None:
    weights = balanced_weights(COUNTS)
    assert weights.tolist() == pytest.approx([100 / 160, 100 / 40, 0.0, 100 / 200])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_the_formula(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float, balanced: bool, weighted: bool
) -> None:
    config = TrainingConfig(
        label_smoothing=smoothing, class_weights="balanced" if balanced else "none"
    )
    loss = Loss(config, COUNTS)
    row_weight = torch.linspace(0.1, 2, 9, dtype=torch.float64) if weighted else None

    log_p = log_softmax(logits)
    target = np.eye(4)[labels] * (1 - smoothing) + smoothing / 4
    per_row = -(target * log_p).sum(1)
    weights = np.ones(9)
    if balanced:
        weights = weights * balanced_weights(COUNTS).double().numpy()[labels]
    if row_weight is not None:
        weights = weights * row_weight.numpy()
    expected = (weights * per_row).sum() / weights.sum()
    assert float(loss(logits, labels, row_weight)) == pytest.approx(expected, rel=1e-12)
    assert loss.per_row(logits, labels).numpy() == pytest.approx(per_row, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_is_the_formula(logits: torch.Tensor, labels: torch.Tensor, gamma: float) -> None:
    loss = Loss(TrainingConfig(loss="focal", focal_gamma=gamma, class_weights="balanced"), COUNTS)
    log_p = log_softmax(logits)[np.arange(9), labels]
    per_row = -((1 - np.exp(log_p)) ** gamma) * log_p
    weights = balanced_weights(COUNTS).double().numpy()[labels]
    expected = (weights * per_row).sum() / weights.sum()
    assert float(loss(logits, labels)) == pytest.approx(expected, rel=1e-9)


def test_focal_with_gamma_zero_is_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> None:
    focal = Loss(TrainingConfig(loss="focal", focal_gamma=0.0))
    assert float(focal(logits, labels)) == pytest.approx(float(F.cross_entropy(logits, labels)))


def test_focal_has_a_finite_slope_where_the_answer_is_certain() -> None:
    logits = torch.tensor([[60.0, 0.0], [0.0, 0.0]], requires_grad=True)
    Loss(TrainingConfig(loss="focal", focal_gamma=0.5))(logits, torch.tensor([0, 1])).backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all())


def test_squared_error_takes_one_value_or_several_per_row() -> None:
    loss = Loss(TrainingConfig(loss="mse", monitor="validation/loss", mode="min"))
    one = torch.tensor([[1.0], [2.0], [4.0]])
    assert float(loss(one, torch.tensor([1.0, 0.0, 1.0]))) == pytest.approx((0 + 4 + 9) / 3)
    several = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    target = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert loss.per_row(several, target).tolist() == pytest.approx([2.0, 12.5])
    weight = torch.tensor([3.0, 1.0])
    assert float(loss(several, target, weight)) == pytest.approx((3 * 2 + 12.5) / 4)


def test_a_batch_of_weight_zero_has_loss_zero() -> None:
    scores = torch.randn(3, 2, requires_grad=True)
    loss = Loss(TrainingConfig())(scores, torch.tensor([0, 1, 0]), torch.zeros(3))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert scores.grad is not None and float(scores.grad.abs().sum()) == 0.0


def test_labels_that_do_not_fit_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="set loss to mse"):
        Loss(TrainingConfig())(torch.randn(3, 2), torch.tensor([0.5, 1.0, 2.0]))
    with pytest.raises(ConfigError, match="set loss to cross_entropy"):
        Loss(TrainingConfig(loss="mse", monitor="x"))(torch.randn(3, 4), torch.tensor([0, 1, 2]))
    with pytest.raises(ConfigError, match="class_counts"):
        Loss(TrainingConfig(class_weights="balanced"))


def test_square_root_weights_lie_between_none_and_balanced() -> None:
    counts = [100, 25, 4]
    found = {
        name: Loss(TrainingConfig(class_weights=name), counts).class_weights  # type: ignore[arg-type]
        for name in ("square_root", "balanced")
    }
    assert found["balanced"] is not None and found["square_root"] is not None
    torch.testing.assert_close(found["square_root"] ** 2, found["balanced"])
    ratio = found["square_root"][2] / found["square_root"][0]
    assert float(ratio) == pytest.approx(5.0)
    with pytest.raises(ConfigError, match="class_weights 'square_root' needs the rows"):
        Loss(TrainingConfig(class_weights="square_root"))


def test_resampling_needs_classes_and_no_weights_beside_it() -> None:
    for settings in ({"loss": "mse", "monitor": "validation/mae"}, {"class_weights": "balanced"}):
        with pytest.raises(ConfigError, match="resample makes classes alike"):
            TrainingConfig(resample="over", **settings)  # type: ignore[arg-type]
