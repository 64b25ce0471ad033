"""Mixed rows, and turned, scaled and differently coloured pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nets import CNNConfig, ConfigError, RNNConfig, Task, TensorSpec, TrainingConfig, build
from nets.augment import Augment, AugmentConfig
from nets.config import override
from nets.fit import Batch, Fit
from nets.mixing import Mixing, partners
from nets.picture_changes import recolour, turn_and_scale

SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")


def rows() -> Batch:
    features = torch.randint(0, 255, (6, 1, 8, 8)).to(torch.uint8)
    return Batch(features, torch.arange(6) % 3, None, torch.rand(6))


def test_mixup_adds_the_rows_in_reverse_order_by_the_drawn_share() -> None:
    torch.manual_seed(1)
    batch = rows()
    mixed, share = Mixing(AugmentConfig(mixup=1.0), SPEC, Task.CLASSES)(batch)
    assert 0.05 < share < 0.95
    expected = share * batch.features.float() + (1 - share) * batch.features.flip(0).float()
    assert mixed.features.dtype == torch.uint8
    assert (mixed.features.float() - expected).abs().max() <= 0.51  # rounded
    assert partners(batch).label.tolist() == [2, 1, 0, 2, 1, 0]
    assert batch.weight is not None
    assert torch.equal(partners(batch).weight, batch.weight.flip(0))  # type: ignore[arg-type]


def test_cutmix_pastes_a_box_and_the_share_is_what_is_left() -> None:
    torch.manual_seed(3)
    batch = rows()
    mixing = Mixing(AugmentConfig(cutmix=1.0), SPEC, Task.CLASSES)
    shares = set()
    for _ in range(5):
        mixed, share = mixing(batch)
        same = mixed.features == batch.features
        other = mixed.features == batch.features.flip(0)
        assert bool((same | other).all())
        assert same.float().mean() >= share - 1e-6  # some pixels are alike by chance
        assert share * 64 == pytest.approx(round(share * 64))
        shares.add(share)
    assert len(shares) > 2


def test_the_loss_of_mixed_rows_is_that_of_both_labels() -> None:
    batch = rows()._replace(weight=None)
    config = TrainingConfig(augment=AugmentConfig(mixup=1.0), learning_rate=0.1, loss_points=1)
    fit = Fit(build(CNNConfig(), SPEC, 3), config, steps_per_epoch=1)
    seen: list[Tensor] = []
    fit.net.register_forward_hook(lambda _, inputs, out: seen.extend([inputs[0], out.detach()]))
    metrics = fit.train_epoch([batch])
    features, scores = seen
    a, b = batch.features.float(), batch.features.flip(0).float()
    share = float(((features.float() - b) * (a - b)).sum() / (a - b).square().sum())
    expected = share * F.cross_entropy(scores, batch.label)
    expected += (1 - share) * F.cross_entropy(scores, batch.label.flip(0))
    assert metrics["train/loss"] == pytest.approx(float(expected), rel=0.02)
    assert abs(metrics["train/loss"] - float(F.cross_entropy(scores, batch.label))) > 1e-3


def test_rows_that_cannot_be_mixed_are_refused() -> None:
    text = TensorSpec(kind="tokens", shape=(6,), dtype="int32", vocabulary_size=12)
    series = TensorSpec(kind="series", shape=(6, 3))
    config = TrainingConfig(augment=AugmentConfig(mixup=0.2))
    with pytest.raises(ConfigError, match=r"augment.mixup works on .* got tokens rows"):
        Fit(build(RNNConfig(), text, 3), config, steps_per_epoch=1)
    with pytest.raises(ConfigError, match=r"augment.cutmix works on image rows, got series"):
        Mixing(AugmentConfig(cutmix=1.0), series, Task.CLASSES)
    with pytest.raises(ConfigError, match="an autoencoder has none"):
        Mixing(config.augment, SPEC, Task.RECONSTRUCTION)
    fit = Fit(build(RNNConfig(), series, 3), config, steps_per_epoch=1)
    fit.train_epoch([Batch(torch.rand(4, 6, 3), torch.tensor([0, 1, 2, 0]))])
    assert not Mixing(override(config, {"augment.mixup": 0}).augment, text, Task.CLASSES)


def test_a_picture_is_turned_about_its_centre_and_scaled() -> None:
    picture = torch.arange(2 * 3 * 5 * 5.0).reshape(2, 3, 5, 5)
    quarter = turn_and_scale(picture, 90, 0, "zero", lambda shape: torch.ones(shape))
    assert torch.allclose(quarter, picture.rot90(1, (2, 3)), atol=1e-3)
    wide = torch.rand(1, 1, 4, 10)
    half = turn_and_scale(wide, 180, 0, "zero", lambda shape: torch.ones(shape))
    assert torch.allclose(half, wide.flip(2, 3), atol=1e-4)
    dot = torch.zeros(1, 1, 9, 9)
    dot[0, 0, 3:6, 3:6] = 1
    larger = turn_and_scale(dot, 0, 0.6, "zero", lambda shape: torch.ones(shape))
    smaller = turn_and_scale(dot, 0, 0.6, "zero", lambda shape: -torch.ones(shape))
    assert smaller.sum() < 0.5 * dot.sum() < 9 < larger.sum()


def test_colours_change_within_their_strength() -> None:
    picture = torch.rand(4, 3, 6, 6)
    same = recolour(picture, 0.3, lambda shape: torch.zeros(shape))
    assert torch.allclose(same, picture, atol=1e-6)
    up = recolour(picture, 0.3, lambda shape: torch.ones(shape))
    assert torch.allclose(up.mean((1, 2, 3)), 1.3 * picture.mean((1, 2, 3)), rtol=1e-5)
    assert bool(
        (up.std((1, 2, 3)) > 1.5 * picture.std((1, 2, 3))).all()
    )  # brighter, and more contrast
    grey = recolour(picture[:, :1].expand(-1, 3, -1, -1), 0.3, lambda shape: torch.ones(shape))
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-5)
    whole = Augment(AugmentConfig(colour=0.5, rotate=20, zoom=0.2), SPEC)(rows().features)
    assert whole.dtype == torch.uint8 and whole.shape == (6, 1, 8, 8)
