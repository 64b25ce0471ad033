"""A loss of a person's own: the same as one that ships where it computes the same, refused where not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from nets import CNNConfig, ConfigError, Custom, Task, TensorSpec, TrainingConfig, build
from nets.config import flatten, from_dict, override, to_dict
from nets.custom_loss import CustomLoss, try_loss
from nets.fit import Batch, Fit, batches
from nets.losses import Loss
from tests.nets.test_custom import run_file

LOSSES = '''
import torch
import torch.nn.functional as F
from torch import nn


def entropy(outputs, targets, *, scale: float = 1.0):
    """Args:
        scale: Factor of each loss.
    """
    return scale * F.cross_entropy(outputs, targets, reduction="none")


def squared(outputs, targets):
    return (outputs - targets).square().mean(1)


def bad(outputs, targets, *, how="scalar"):
    losses = F.cross_entropy(outputs, targets, reduction="none")
    if how == "fails":
        return outputs @ outputs
    if how == "item":
        return losses.mean().item()
    if how == "detached":
        return losses.detach()
    if how == "flat":
        return losses * 0
    if how == "infinite":
        return losses / 0
    if how == "columns":
        return outputs.exp().sum(0)
    return {"scalar": losses.mean(), "wide": losses[:, None]}[how]


def forgiving(outputs, targets, *, margin: float = 3.0):
    return ((outputs - targets).abs() - margin).clamp(min=0).mean(1)


def without_targets(outputs, *, gamma: float = 1.0):
    return outputs.sum(1)


class Weights(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)


class NoModule:
    pass
'''
PICTURES = TensorSpec(kind="image", shape=(1, 8, 8))
VALUES: Any = {"monitor": "validation/loss", "mode": "min"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("losses")
    (folder / "own_losses.py").write_text(LOSSES)
    return run_file(folder, "own_losses")


def losses_of(config: TrainingConfig, label: torch.Tensor, task: Task | None) -> list[float]:
    """Loss of a short training, and over its rows after it."""
    noise = torch.randn(len(label), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    data = Batch(noise + label.float().reshape(-1, 1, 1, 1), label)
    outputs, counts = (3, [16, 16, 16]) if not label.is_floating_point() else (1, None)
    fit = Fit(build(CNNConfig(), PICTURES, outputs), config, steps_per_epoch=3, class_counts=counts, task=task)  # fmt: skip
    trained = fit.train_epoch(batches(data, 16, seed=0, epoch=0))["train/loss"]
    return [trained, fit.evaluate(batches(data, 16, seed=0, epoch=0, shuffle=False)).loss]


def test_an_own_loss_trains_as_the_same_loss_that_ships(own: Any) -> None:
    classes, values = torch.arange(48) % 3, torch.arange(48) / 48
    config = TrainingConfig(batch_size=16, class_weights="balanced")
    mine = replace(config, loss=Custom(own.entropy))
    expected = losses_of(config, classes, None)
    assert losses_of(mine, classes, Task.CLASSES) == pytest.approx(expected, rel=1e-5)
    doubled = losses_of(override(mine, {"loss.scale": 2}), classes, Task.CLASSES)  # fmt: skip
    assert doubled[0] > 1.5 * expected[0]
    of_values = TrainingConfig(batch_size=16, loss="mse", **VALUES)
    expected = losses_of(of_values, values, None)
    for loss in (Custom(own.squared), Custom(nn.MSELoss, reduction="none")):
        got = losses_of(replace(of_values, loss=loss), values, Task.VALUES)
        assert got == pytest.approx(expected, rel=1e-5)


def test_its_arguments_are_settings_and_its_record_is_the_same_loss(own: Any) -> None:
    config = TrainingConfig(loss=Custom(own.entropy, scale=0.5))
    leaves = flatten(config)
    assert leaves["loss.source"] == "own_losses.py:entropy" and leaves["loss.scale"] == 0.5
    assert from_dict(TrainingConfig, json.loads(json.dumps(to_dict(config)))) == config
    assert override(config, {"loss.scale": "3"}).loss == Custom(own.entropy, scale=3.0)
    assert override(config, {"loss": "focal"}).loss == "focal"
    with pytest.raises(ConfigError, match=r"loss.scale: Input should be a valid number.*'much'"):
        override(config, {"loss.scale": "much"})
    with pytest.raises(ConfigError, match=r"loss: Input should be 'cross_entropy', 'focal' or"):
        override(config, {"loss": "hinge"})
    with pytest.raises(ConfigError, match=r"belongs to loss cross_entropy.*'own_losses.py:entr"):
        replace(config, label_smoothing=0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda own: Custom(own.bad), r"loss bad must return one loss for each row, \(5,\) for 5 rows, .* got \(\). Leave out the mean"),
        (lambda own: Custom(own.bad, how="wide"), r"got \(5, 1\). Take the mean over a row's outputs"),
        (lambda own: Custom(own.bad, how="columns"), r"got \(3,\). Sum over the outputs"),
        (lambda own: Custom(own.bad, how="item"), r"must return a tensor \(5,\) for 5 rows, one loss for each, got float"),
        (lambda own: Custom(own.bad, how="fails"), r"fails on 5 rows of outputs \(5, 3\) and classes \(5,\): RuntimeError.*\(own_losses.py, line"),
        (lambda own: Custom(own.bad, how="detached"), "loss bad has no gradient"),
        (lambda own: Custom(own.bad, how="infinite"), r"must be finite, as its gradient, got losses \[inf"),
        (lambda own: Custom(own.bad, how="flat"), "gradient of loss bad is 0 for 5 rows"),
        (lambda own: Custom(own.without_targets), r"a loss takes `outputs` and `targets` first.* without_targets takes \(outputs, \*, gamma"),
        (lambda own: Custom(own.Weights), "loss Weights has weights of its own"),
        (lambda own: Custom(own.NoModule), "got the class NoModule"),
        (lambda own: Custom(nn.CrossEntropyLoss), r'got \(\). Leave out .* \(of a part of torch: reduction="none"\)'),
    ],
)  # fmt: skip
def test_a_loss_that_does_not_fit_is_refused_with_what_came(
    own: Any, make: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        try_loss(make(own), Task.CLASSES, (3,))


def test_what_fits_is_not_refused_and_moves_no_random_state(own: Any) -> None:
    state = torch.random.get_rng_state()
    for loss, task, output in [
        (Custom(own.entropy), Task.CLASSES, (5,)),
        (Custom(own.squared), Task.VALUES, (5,)),
        (Custom(own.forgiving), Task.VALUES, (1,)),
        (Custom(nn.CrossEntropyLoss, reduction="none"), Task.CLASSES, (10,)),
        (Custom(nn.HuberLoss, reduction="none", delta=0.5), Task.RECONSTRUCTION, (1, 8, 8)),
    ]:
        try_loss(loss, task, output)
    with pytest.raises(ConfigError, match="Take the mean over a row's outputs"):  # of a function
        try_loss(Custom(nn.functional.l1_loss, reduction="none"), Task.VALUES, (1,))
    try_loss(Custom(own.bad, how="fails"), Task.CLASSES, (3,), guessed=True)
    with pytest.raises(ConfigError, match="Leave out the mean"):
        try_loss(Custom(own.bad), Task.CLASSES, (3,), guessed=True)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_values_come_in_the_shape_of_the_outputs(own: Any) -> None:
    outputs, targets = torch.rand(4, 1), torch.rand(4, dtype=torch.float64)
    losses = Loss(TrainingConfig(loss=Custom(own.squared), **VALUES)).per_row(outputs, targets)
    assert torch.allclose(losses, (outputs[:, 0] - targets.float()).square())
    with pytest.raises(ConfigError, match=r"got \(4, 2\) outputs for labels of shape \(4,\)"):
        CustomLoss(Custom(own.squared))(torch.rand(4, 2), targets)


def test_what_is_learned_must_be_said(own: Any) -> None:
    net = build(CNNConfig(), PICTURES, 3)
    config = TrainingConfig(loss=Custom(own.entropy))
    with pytest.raises(
        ConfigError, match=r"loss own_losses.py:entropy does not say what is learned"
    ):
        Fit(net, config, steps_per_epoch=1)
    assert Fit(net, config, steps_per_epoch=1, task=Task.CLASSES).task is Task.CLASSES
