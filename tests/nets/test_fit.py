from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nets.autoencoder import AutoencoderConfig
from nets.cnn import CNNConfig
from nets.errors import ConfigError, DivergedError
from nets.fit import (
    AugmentConfig,
    Batch,
    Evaluation,
    Fit,
    TrainingConfig,
    batches,
    num_batches,
    place,
)
from nets.net import Net, build
from nets.prepare import PreparationConfig, make
from nets.rnn import RNNConfig
from nets.spec import TensorSpec

ROWS, CLASSES, BATCH = 70, 3, 16
SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")


def data(rows: int = ROWS) -> Batch:
    """Pictures whose brightest third tells the class."""
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(CLASSES, (rows,), generator=generator)
    features = torch.randint(0, 120, (rows, 1, 8, 8), dtype=torch.uint8, generator=generator)
    for row in range(rows):
        features[row, :, 3 * label[row] : 3 * label[row] + 2] += 120
    return Batch(features, label)


def cnn(dropout: float = 0.0, outputs: int = CLASSES) -> Net:
    return build(CNNConfig(dropout=dropout), SPEC, outputs, seed=0)


def start(net: Net | None = None, rows: int = ROWS, **settings: Any) -> Fit:
    settings = {"epochs": 3, "batch_size": BATCH, "learning_rate": 0.01} | settings
    config = TrainingConfig(**settings)
    return Fit(net or cnn(), config, steps_per_epoch=num_batches(rows, config.batch_size))


def epochs(fit: Fit, rows: Batch, count: int | None = None) -> list[dict[str, float]]:
    found = []
    for _ in range(fit.config.epochs - fit.epoch if count is None else count):
        shuffled = batches(rows, fit.config.batch_size, seed=fit.config.seed, epoch=fit.epoch)
        found.append(fit.train_epoch(shuffled))
    return found


def evaluate(fit: Fit, rows: Batch) -> Evaluation:
    return fit.evaluate(batches(rows, 32, seed=0, epoch=0, shuffle=False))


def test_a_net_learns_and_says_how_well() -> None:
    fit = start(epochs=12)
    found = epochs(fit, data())
    assert found[-1]["train/loss"] < 0.5 * found[0]["train/loss"]
    measured = evaluate(fit, data())
    assert measured.metrics("validation")["validation/accuracy"] > 0.95
    assert (measured.count, measured.scores.shape, measured.labels.shape) == (70, (70, 3), (70,))
    assert torch.equal(measured.labels, data().label)  # rows in the order they came in
    assert fit.epoch == 12


def test_same_seed_gives_the_same_loss_and_another_seed_another() -> None:
    def losses(seed: int) -> list[float]:
        torch.rand(seed + 1)  # the caller's random state has no say
        augment = AugmentConfig(flip=True, crop=1)
        fit = start(cnn(dropout=0.3), seed=seed, augment=augment)
        return [found["train/loss"] for found in epochs(fit, data())]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_training_leaves_the_callers_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    epochs(start(cnn(dropout=0.3)), data(), 1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "adagrad", "rmsprop"])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_resumed_run_ends_exactly_where_an_uninterrupted_one_does(
    optimizer: str, schedule: str
) -> None:
    settings: dict[str, Any] = {
        "epochs": 4,
        "optimizer": optimizer,
        "schedule": schedule,
        "warmup": 0.2,
        "augment": AugmentConfig(crop=1, cutout=2),
        "seed": 3,
    }
    whole = start(cnn(dropout=0.3), **settings)
    expected = epochs(whole, data())

    first = start(cnn(dropout=0.3), **settings)
    epochs(first, data(), 2)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    torch.rand(10)
    resumed = start(build(CNNConfig(dropout=0.3), SPEC, CLASSES, seed=9), **settings)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    found = epochs(resumed, data())

    for before, after in zip(expected[2:], found, strict=True):
        for name in set(before) - {"samples_per_s"}:
            assert after[name] == before[name], name
    for name, value in whole.net.state_dict().items():
        assert torch.equal(resumed.net.state_dict()[name], value), name


def test_an_epoch_is_the_plain_loop() -> None:
    fit = start(optimizer="sgd", momentum=0.8, weight_decay=0.0, label_smoothing=0.1)
    plain = cnn()
    plain.train()
    optimizer = torch.optim.SGD(plain.parameters(), 0.01, momentum=0.8, nesterov=True)
    for epoch in range(2):
        for batch in batches(data(), BATCH, seed=0, epoch=epoch):
            optimizer.zero_grad()
            scores = plain(batch.features)
            nn.functional.cross_entropy(scores, batch.label, label_smoothing=0.1).backward()
            optimizer.step()
    epochs(fit, data(), 2)
    for name, value in plain.state_dict().items():
        assert torch.allclose(fit.net.state_dict()[name], value, atol=1e-6), name


@pytest.mark.parametrize("step", [1, 3, 70])
def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(step: int) -> None:
    def poisoned() -> Iterator[Batch]:
        for number in range(1, 141):
            weight = torch.full((4,), math.nan if number == step else 1.0)
            yield Batch(*data(4)[:2], weight=weight)

    fit = Fit(cnn(), TrainingConfig(learning_rate=0.25), steps_per_epoch=140)
    with pytest.raises(DivergedError) as stopped:
        fit.train_epoch(poisoned())
    message = str(stopped.value)
    assert f"epoch 1, step {step} of 140, at learning rate 0.25" in message
    assert "training.learning_rate" in message and "training.clip_norm" in message


def test_a_learning_rate_far_too_high_diverges() -> None:
    fit = start(optimizer="sgd", learning_rate=1e20, epochs=20)
    with pytest.raises(DivergedError, match=r"became (nan|inf)"):
        epochs(fit, data())


def test_an_evaluation_of_broken_weights_is_refused() -> None:
    fit = start()
    with torch.no_grad():
        next(iter(fit.net.parameters())).fill_(math.nan)
    with pytest.raises(DivergedError, match="evaluation after epoch 0"):
        evaluate(fit, data())


def test_clipping_bounds_the_step_and_reports_the_norm_before_it() -> None:
    def moved(clip: float | None) -> tuple[float, float]:
        fit = start(optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=clip, batch_size=70)
        before = [p.detach().clone() for p in fit.net.parameters()]
        found = epochs(fit, data(), 1)[0]
        changes = [(p - q).norm() for p, q in zip(fit.net.parameters(), before, strict=True)]
        return float(torch.stack(changes).detach().norm()), found["gradient_norm"]

    free, norm = moved(None)
    assert free == pytest.approx(norm, rel=1e-3)
    clipped, norm_before = moved(norm / 10)
    assert clipped == pytest.approx(norm / 10, rel=1e-3)
    assert norm_before == pytest.approx(norm, rel=1e-5)


def test_health_is_measured_for_every_layer_with_weights() -> None:
    fit = start(optimizer="sgd", momentum=0.0, learning_rate=0.1, batch_size=70)
    before = {name: p.detach().clone() for name, p in fit.net.named_parameters()}
    found = epochs(fit, data(), 1)[0]
    layers = {name.rpartition(".")[0] for name in before}
    kinds = ("gradient_norm", "weight_norm", "update_ratio")
    measured = {name for name in found if name.startswith("health/")}
    assert measured == {f"health/{layer}/{kind}" for layer in layers for kind in kinds}
    for layer in layers:
        old = [value for name, value in before.items() if name.rpartition(".")[0] == layer]
        size = float(torch.cat([value.flatten() for value in old]).norm())
        # one step of plain gradient descent: the change is the rate times the gradient
        change = 0.1 * found[f"health/{layer}/gradient_norm"]
        ratio = found[f"health/{layer}/update_ratio"]
        assert ratio == pytest.approx(change / size if size else 0.0, rel=1e-3, abs=1e-9)
    quiet = epochs(start(health=False), data(), 1)[0]
    assert not any(name.startswith("health/") for name in quiet)


def test_class_weights_change_what_is_learned() -> None:
    rows = data()
    rare = torch.cat([(rows.label == 0).nonzero()[:2, 0], (rows.label != 0).nonzero()[:, 0]])
    few = Batch(rows.features[rare], rows.label[rare])
    counts = torch.bincount(few.label).tolist()
    config = TrainingConfig(class_weights="balanced", batch_size=BATCH)
    fit = Fit(cnn(), config, steps_per_epoch=4, class_counts=counts)
    measured = evaluate(fit, few)
    assert measured.total_weight == pytest.approx(len(few.label))  # balanced: sums to the rows
    by_class = [measured.losses[few.label == c].mean() for c in range(CLASSES)]
    assert measured.loss == pytest.approx(float(torch.stack(by_class).mean()), rel=1e-5)


def test_measured_values_are_learned_with_loss_mse() -> None:
    rows = data()
    value = rows.features.float().mean((1, 2, 3)) / 100
    fit = start(cnn(outputs=1), loss="mse", monitor="validation/loss", mode="min", epochs=2)
    found = epochs(fit, Batch(rows.features, value))
    assert "train/accuracy" not in found[0]
    measured = evaluate(fit, Batch(rows.features, value)).metrics("validation")
    assert set(measured) == {f"validation/{name}" for name in ("loss", "mse", "mae", "r2")}


def test_shares_of_an_evaluation_merge_to_the_whole() -> None:
    fit, rows = start(), data()
    rows = rows._replace(weight=torch.linspace(0.1, 2, ROWS))
    whole = evaluate(fit, rows)
    parts = [
        fit.evaluate(batches(rows, 8, seed=0, epoch=0, shuffle=False, rank=rank, world_size=3))
        for rank in range(3)
    ]
    empty = fit.evaluate([])
    merged = Evaluation.merge([*parts, empty])
    assert merged.count == ROWS
    assert merged.loss == pytest.approx(whole.loss, rel=1e-6)
    assert torch.allclose(merged.scores, whole.scores, atol=1e-5)
    assert torch.equal(merged.labels, whole.labels)


def test_evaluation_changes_nothing_and_ignores_augmentation_and_dropout() -> None:
    fit = start(cnn(dropout=0.5), augment=AugmentConfig(flip=True, crop=2))
    fit.net.train()
    before = {name: value.clone() for name, value in fit.net.state_dict().items()}
    first, second = evaluate(fit, data()), evaluate(fit, data())
    assert torch.equal(first.scores, second.scores)
    assert fit.net.training
    assert all(torch.equal(value, before[name]) for name, value in fit.net.state_dict().items())


def test_an_autoencoder_learns_its_own_prepared_input() -> None:
    net = build(AutoencoderConfig(), SPEC, 1, prepare=make(PreparationConfig(method="scale"), SPEC))
    with pytest.raises(ConfigError, match="Set loss to mse"):
        start(net)
    fit = start(net, loss="mse", monitor="validation/loss", mode="min", epochs=4)
    found = epochs(fit, data())
    assert found[-1]["train/loss"] < found[0]["train/loss"]
    measured = evaluate(fit, data())
    with torch.no_grad():
        fit.net.eval()
        error = (fit.net(data().features) - data().features / 255).square().mean()
    assert measured.loss == pytest.approx(float(error), rel=1e-4)
    assert measured.scores.shape == (ROWS, 0) and set(measured.metrics("test")) == {"test/loss"}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_lengths_reach_the_net_so_padding_changes_nothing(cell: str) -> None:
    spec = TensorSpec(kind="series", shape=(6, 2))
    x = torch.randn(20, 6, 2, generator=torch.Generator().manual_seed(0))
    length = torch.arange(20) % 6 + 1
    noisy = x.clone()
    noisy[torch.arange(6) >= length[:, None]] = 9.0

    def trained(features: Tensor) -> Tensor:
        config: Any = RNNConfig(cell=cell)  # type: ignore[arg-type]
        fit = Fit(build(config, spec, 2), TrainingConfig(batch_size=5), steps_per_epoch=4)
        epochs(fit, Batch(features, torch.arange(20) % 2, length), 1)
        return evaluate(fit, Batch(features, torch.arange(20) % 2, length)).scores

    assert torch.allclose(trained(x), trained(noisy), atol=1e-6)


def test_channels_last_gives_the_same_answer() -> None:
    plain, last = start(), start(channels_last=True)
    assert [f["train/loss"] for f in epochs(plain, data())] == pytest.approx(
        [f["train/loss"] for f in epochs(last, data())], rel=1e-4
    )


def test_bfloat16_is_used_where_asked_and_the_weights_stay_float32() -> None:
    fit = start(precision="bfloat16")
    seen: list[torch.dtype] = []
    fit.net.body.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    found = epochs(fit, data(), 1)[0]
    assert set(seen) == {torch.bfloat16} and math.isfinite(found["train/loss"])
    assert {p.dtype for p in fit.net.parameters()} == {torch.float32}
    assert evaluate(fit, data()).scores.dtype == torch.float32
    assert seen[-1] == torch.float32  # evaluated as it will be served


def test_float16_learns_leaves_out_what_overflows_and_goes_on_with_its_scale() -> None:
    fit, plain = start(precision="float16"), start()
    seen: list[torch.dtype] = []
    fit.net.body.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    found = epochs(fit, data(), 2)
    assert set(seen) == {torch.float16}
    assert all(math.isfinite(value) for epoch in found for value in epoch.values())
    for epoch, other in zip(found, epochs(plain, data(), 2), strict=True):
        assert epoch["train/loss"] == pytest.approx(other["train/loss"], rel=0.05)
    assert {p.dtype for p in fit.net.parameters()} == {torch.float32}

    before = [p.detach().clone() for p in fit.net.parameters()]
    state = fit.state_dict()
    state["precision"]["scale"] = 2.0**60
    again = start(cnn(), precision="float16")
    again.load_state_dict(state)
    assert again.state_dict()["precision"]["scale"] == 2.0**60
    again.train_steps(itertools.islice(batches(data(), BATCH, seed=0, epoch=2), 1))
    assert again.state_dict()["precision"]["scale"] == 2.0**59
    assert all(map(torch.equal, before, again.net.parameters()))


class Wrapper(nn.Module):
    """Stands outside the net as a distributed wrapper does."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.calls = net, 0

    def forward(self, features: Tensor, length: Tensor | None = None) -> Tensor:
        self.calls += 1
        scores: Tensor = self.net(features, length)
        return scores


def test_a_wrapper_is_called_in_training_and_not_in_evaluation() -> None:
    net = cnn()
    wrapper = Wrapper(net)
    config = TrainingConfig(batch_size=BATCH)
    fit = Fit(net, config, steps_per_epoch=5, model=wrapper)
    epochs(fit, data(), 1)
    assert wrapper.calls == 5
    evaluate(fit, data())
    assert wrapper.calls == 5


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    """A group of this one process: collectives run for real, and have nobody to wait for."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_distributed_net_trains_as_the_net_alone(channels_last: bool) -> None:
    config = TrainingConfig(batch_size=BATCH, channels_last=channels_last)
    net = place(cnn(), config)
    together = DistributedDataParallel(net)
    shared = Fit(net, config, steps_per_epoch=5, model=together)
    alone = Fit(cnn(), config, steps_per_epoch=5)
    found, expected = epochs(shared, data(), 1)[0], epochs(alone, data(), 1)[0]
    assert found["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-5)
    assert set(shared.state_dict()["net"]) == set(alone.net.state_dict())  # no "module." in front


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"class_weights": "balanced"}, "Pass class_counts"),
        ({"augment": AugmentConfig(jitter=0.1)}, "works on series rows"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_training(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        start(**settings)


def test_an_epoch_without_batches_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1 batch"):
        start().train_epoch([])
    with pytest.raises(ConfigError, match="at least 1 batch"):
        Fit(cnn(), TrainingConfig(), steps_per_epoch=0)
