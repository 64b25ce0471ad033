"""Optimizers, schedules, augmentations and callbacks of torch by name, or of a person's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from nets import CNNConfig, ConfigError, Custom, TensorSpec, TrainingConfig, build
from nets.augment import Augment, AugmentConfig
from nets.averaging import Averages
from nets.callbacks import Callbacks
from nets.config import flatten, from_dict, override, to_dict
from nets.fit import Batch, Fit
from nets.optimizer_trial import try_optimizer
from nets.optimizers import make_optimizer, make_rates
from tests.nets.test_custom import run_file

PARTS = '''
import torch
from torch import nn


class Signs(torch.optim.Optimizer):
    """Steps of one size.

    Args:
        scale: Factor of a step.
    """

    def __init__(self, params, lr, *, scale: float = 1.0):
        super().__init__(params, {"lr": lr, "scale": scale})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p -= group["lr"] * group["scale"] * p.grad.sign()


class Lazy(Signs):
    def step(self, closure=None):
        pass


def falling(position, length, *, power: float = 1.0):
    return (1 - position / length) ** power


def negative(position, length):
    return 1 - position


def brighter(features, *, by: float = 10.0):
    return features + by * torch.rand(len(features), 1, 1, 1)


def smaller(features):
    return features[:, :, 1:]


def shifted(features, length):
    return features.roll(1, 1) * (length[:, None, None] > 0)


class Diary:
    """Notes what happens.

    Args:
        until: The epoch that is the last one.
    """

    def __init__(self, until: int = 9):
        self.until, self.moments = until, []

    def on_train_start(self, fit):
        self.moments.append("start")

    def on_epoch_start(self, fit):
        self.moments.append(f"epoch {fit.epoch + 1}")

    def on_step_end(self, fit, loss):
        assert loss.shape == () and loss > 0
        self.moments.append(f"step {fit.step}")

    def on_epoch_end(self, fit, metrics):
        self.moments.append(f"end {fit.epoch}")
        if fit.epoch == self.until:
            fit.stop()
        return {"own/steps": len(self.moments)}

    def state_dict(self):
        return {"moments": self.moments}

    def load_state_dict(self, state):
        self.moments = list(state["moments"])


class Fails:
    def on_step_end(self, fit, loss):
        return {}["missing"]


class Typo:
    def on_epoch_ends(self, fit, metrics):
        pass


class Fewer:
    def on_epoch_end(self, fit):
        pass


class Silent:
    pass
'''
SPEC = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
NET = CNNConfig(batch_norm=False)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("parts")
    (folder / "own_training.py").write_text(PARTS)
    return run_file(folder, "own_training")


def rows(count: int = 12) -> Batch:
    generator = torch.Generator().manual_seed(0)
    features = torch.randint(0, 17, (count, 1, 8, 8), generator=generator).to(torch.uint8)
    return Batch(features, torch.arange(count) % 3)


def train(config: TrainingConfig, batches: list[Batch], epochs: int = 1) -> Fit:
    fit = Fit(build(NET, SPEC, 3), config, steps_per_epoch=len(batches))
    for _ in range(epochs):
        fit.train_epoch(batches)
    return fit


def weights(fit: Fit) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in fit.net.parameters()])


def test_an_optimizer_of_torch_by_its_name_is_torchs() -> None:
    config = override(TrainingConfig(weight_decay=0.01), {"optimizer": "NAdam"})
    config = override(config, {"optimizer.momentum_decay": 0.01, "learning_rate": 0.05})
    assert flatten(config)["optimizer.momentum_decay"] == 0.01
    assert "optimizer.lr" not in flatten(config) and config.optimizer_name == "NAdam"
    again = from_dict(TrainingConfig, json.loads(json.dumps(to_dict(config))))
    assert again == config and again.optimizer.is_loaded  # type: ignore[union-attr]
    found = []
    for make in (
        lambda p: make_optimizer([p], config),
        lambda p: torch.optim.NAdam([p], 0.05, weight_decay=0.01, momentum_decay=0.01),
    ):
        weight = nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64))
        optimizer = make(weight)
        for _ in range(5):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
        found.append(weight.detach())
    assert torch.equal(*found)


def test_the_other_optimizers_of_torch_train_or_say_why_not() -> None:
    refused = {
        "LBFGS": "step. needs a closure",
        "Muon": "cannot be made",  # for matrices alone
        "SparseAdam": "fails in a step",
    }
    names = [n for n, c in vars(torch.optim).items() if isinstance(c, type) and n != "Optimizer"]
    assert len(names) >= 14
    for name in names:
        config = TrainingConfig(optimizer=name, learning_rate=0.1)
        if name in refused:
            with pytest.raises(ConfigError, match=refused[name]):
                try_optimizer(config)
        else:
            try_optimizer(config)
    with pytest.raises(ConfigError, match=r"Unknown optimizer 'NAdan'. Did you mean 'NAdam'"):
        TrainingConfig(optimizer="NAdan")
    with pytest.raises(
        ConfigError, match=r"lr of NAdam is no setting of its own: it is training.learning_rate"
    ):
        TrainingConfig(optimizer={"name": "NAdam", "lr": 0.1})


def test_an_own_optimizer(own: Any) -> None:
    config = TrainingConfig(optimizer=Custom(own.Signs, scale=0.5), learning_rate=0.1)
    try_optimizer(config)
    before = weights(Fit(build(NET, SPEC, 3), config, steps_per_epoch=1))
    moved = (weights(train(config, [rows()])) - before).abs()
    assert moved.max() == pytest.approx(0.05, rel=1e-3)
    with pytest.raises(ConfigError, match="optimizer Lazy changes nothing in three steps"):
        try_optimizer(TrainingConfig(optimizer=Custom(own.Lazy)))
    with pytest.raises(ConfigError, match="optimizer Signs has no weight decay"):
        try_optimizer(TrainingConfig(optimizer=Custom(own.Signs), weight_decay=0.1))
    with pytest.raises(
        ConfigError, match=r"an optimizer is a class of torch.optim.Optimizer, got falling"
    ):
        try_optimizer(TrainingConfig(optimizer=Custom(own.falling)))


def rates(config: TrainingConfig, steps: int, steps_per_epoch: int) -> list[float]:
    rate = make_rates(config, steps, steps_per_epoch)
    return [rate(step) for step in range(steps)]


def test_a_schedule_of_torch_counts_epochs_or_steps() -> None:
    halves: Any = {"name": "StepLR", "step_size": 2, "gamma": 0.5}
    config = TrainingConfig(learning_rate=0.8, schedule=halves)
    assert rates(config, 12, 2) == pytest.approx([0.8] * 4 + [0.4] * 4 + [0.2] * 4)
    by_step = override(config, {"schedule_every": "step"})
    assert rates(by_step, 5, 2) == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2])
    assert rates(override(by_step, {"schedule.gamma": 0.1}), 3, 2)[2] == pytest.approx(0.08)
    warm = override(by_step, {"warmup": 0.4})
    assert rates(warm, 5, 1) == pytest.approx([0.8 / 3, 1.6 / 3, 0.8, 0.8, 0.4])
    assert override(config, {"max_minutes": 5}).max_minutes == 5  # it needs no number of steps
    one_cycle: Any = {"name": "OneCycleLR", "max_lr": 0.4, "total_steps": 12}
    reference = TrainingConfig(learning_rate=0.4, schedule="one_cycle")
    chosen = TrainingConfig(learning_rate=0.4, schedule=one_cycle, schedule_every="step")
    assert rates(chosen, 12, 4) == pytest.approx(rates(reference, 12, 4), rel=1e-9)


def test_an_own_schedule_is_a_factor_of_the_rate(own: Any) -> None:
    config = TrainingConfig(learning_rate=0.4, schedule=Custom(own.falling, power=2.0))
    assert rates(config, 4, 1) == pytest.approx([0.4, 0.225, 0.1, 0.025])
    fit = train(override(config, {"epochs": 2}), [rows()], epochs=2)
    assert fit.optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"name": "ReduceLROnPlateau"}, "schedule ReduceLROnPlateau follows a metric"),
        ({"name": "OneCycleLR", "max_lr": 0.4, "total_steps": 3}, "schedule OneCycleLR fails at position 4 of 5"),
        ("negative", "must give learning rates of at least 0, got -0.001 at position 2"),
        ("brighter", r"a schedule takes `position` and `length` first.* brighter takes \(features"),
        ("Diary", "got the class Diary"),
    ],
)  # fmt: skip
def test_a_schedule_that_does_not_fit_is_refused(own: Any, schedule: Any, message: str) -> None:
    if isinstance(schedule, str):
        schedule = Custom(getattr(own, schedule))
    with pytest.raises(ConfigError, match=message):
        rates(TrainingConfig(schedule=schedule), 5, 1)


def test_schedules_are_refused_as_settings_where_an_argument_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"schedule.*step_size: Field required"):
        TrainingConfig(schedule="StepLR")
    with pytest.raises(ConfigError, match="Did you mean 'CosineAnnealingLR'"):
        TrainingConfig(schedule="CosineAnealingLR")
    with pytest.raises(ConfigError, match=r"schedule LambdaLR cannot be made with .*: TypeError"):
        rates(TrainingConfig(schedule={"name": "LambdaLR", "lr_lambda": 1}), 4, 1)


def test_an_own_augmentation_varies_the_rows(own: Any) -> None:
    batch = rows().features
    augment = Augment(AugmentConfig(own=Custom(own.brighter, by=9.0)), SPEC)
    varied = augment(batch)
    assert varied.dtype == torch.uint8 and varied.shape == batch.shape
    difference = (varied.int() - batch.int()).flatten(1)
    assert bool((difference == difference[:, :1]).all()) and len(set(difference[:, 0].tolist())) > 3
    config = TrainingConfig(augment=AugmentConfig(own=Custom(own.brighter)))
    assert not torch.equal(
        weights(train(config, [rows()])), weights(train(TrainingConfig(), [rows()]))
    )
    assert flatten(config)["augment.own.by"] == 10.0
    series = TensorSpec(kind="series", shape=(6, 3))
    x = torch.rand(4, 6, 3)
    shifted = Augment(AugmentConfig(own=Custom(own.shifted)), series)(x, torch.tensor([6, 6, 6, 0]))
    assert torch.equal(shifted[0], x[0].roll(1, 0)) and not shifted[3].any()
    flip = Augment(AugmentConfig(own=Custom(nn.Softsign)), series)  # an object that is called
    assert torch.equal(flip(x), nn.functional.softsign(x))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("smaller", r"must return a tensor \(4, 1, 8, 8\), as the rows it gets, got Tensor \(4, 1, 7, 8\)"),
        ("shifted", r"augmentation shifted fails on 4 rows \(4, 1, 8, 8\) of torch.uint8: .*\(own_training.py, line"),
        ("Silent", "augmentation Silent must have __call__"),
    ],
)  # fmt: skip
def test_an_augmentation_that_does_not_fit_is_refused(own: Any, part: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augment(AugmentConfig(own=Custom(getattr(own, part))), SPEC)


def test_callbacks_run_at_their_moments_and_go_on_from_a_checkpoint(own: Any) -> None:
    config = TrainingConfig(callbacks=(Custom(own.Diary, until=1),))
    fit = train(config, [rows(), rows()])
    assert not fit.stopped
    metrics = fit.callbacks.end_epoch(fit, {"train/loss": 1.0})
    assert metrics == {"train/loss": 1.0, "own/steps": 5.0} and fit.stopped
    moments = ["start", "epoch 1", "step 1", "step 2", "end 1"]
    state = fit.state_dict()
    assert state["callbacks"] == [{"moments": moments}]
    other = Fit(build(NET, SPEC, 3), config, steps_per_epoch=2)
    other.load_state_dict(state)
    other.train_epoch([rows(), rows()])
    assert other.state_dict()["callbacks"] == [
        {"moments": [*moments, "start", "epoch 2", "step 1", "step 2"]}
    ]


def test_callbacks_that_do_not_fit_are_refused_in_words(own: Any) -> None:
    for part, message in (
        (own.Typo, "callback Typo: Unknown moment 'on_epoch_ends'. Did you mean 'on_epoch_end'"),
        (own.Fewer, r"on_epoch_end of callback Fewer must be on_epoch_end\(self, fit, metrics\)"),
        (own.Silent, "callback Silent has no method for a moment"),
        (own.falling, "a callback is a class"),
    ):
        with pytest.raises(ConfigError, match=message):
            Callbacks((Custom(part),))
    with pytest.raises(
        ConfigError,
        match=r"callback Fails fails at on_step_end in epoch 1, step 1: KeyError: 'missing' \(own_training.py, line",
    ):
        train(TrainingConfig(callbacks=(Custom(own.Fails),)), [rows()])
    fit = train(TrainingConfig(callbacks=(Custom(own.Diary),)), [rows()])
    with pytest.raises(ConfigError, match="returns metrics that there are already: own/steps"):
        fit.callbacks.end_epoch(fit, {"own/steps": 1.0})


def test_two_batches_added_up_are_one_of_twice_the_size() -> None:
    whole = rows()
    halves = [
        Batch(whole.features[:6], whole.label[:6]),
        Batch(whole.features[6:], whole.label[6:]),
    ]
    config = TrainingConfig(learning_rate=0.1, optimizer="sgd", clip_norm=0.5)
    one = train(config, [whole], epochs=3)
    two = train(override(config, {"accumulate": 2}), halves, epochs=3)
    assert torch.allclose(weights(one), weights(two), atol=1e-6)
    assert not torch.allclose(weights(one), weights(train(config, halves, epochs=3)), atol=1e-3)
    # A last group of fewer batches counts its own; an interruption within a group loses nothing.
    config = override(config, {"accumulate": 2})
    three = train(config, [*halves, whole])
    fit = Fit(build(NET, SPEC, 3), config, steps_per_epoch=3)
    fit.train_steps(halves[:1])
    state = fit.state_dict()
    other = Fit(build(NET, SPEC, 3), config, steps_per_epoch=3)
    other.load_state_dict(state)
    other.train_epoch([halves[1], whole])
    assert torch.allclose(weights(three), weights(other), atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_of_different_sizes_that_are_added_up_count_by_their_rows(weighted: bool) -> None:
    whole = rows()
    if weighted:
        whole = whole._replace(weight=torch.linspace(0.1, 3.0, 12))
    parts = [
        Batch(*(None if x is None else x[at] for x in whole[:4]), None)  # type: ignore[index, arg-type]
        for at in (slice(0, 5), slice(5, 10), slice(10, 12))
    ]
    config = TrainingConfig(learning_rate=0.1, optimizer="sgd", class_weights="balanced")

    def trained(config: TrainingConfig, batches: list[Batch]) -> torch.Tensor:
        net = build(NET, SPEC, 3)
        fit = Fit(net, config, steps_per_epoch=len(batches), class_counts=(2, 3, 7))
        fit.train_epoch(batches)
        return weights(fit)

    one = trained(config, [whole])
    assert torch.allclose(one, trained(override(config, {"accumulate": 3}), parts), atol=1e-5)


def test_a_training_that_ends_within_a_group_of_batches_keeps_its_rules() -> None:
    config = TrainingConfig(
        optimizer="sgd", learning_rate=0.1, accumulate=4, clip_norm=1e-3, momentum=0.0,
        freeze={"body.blocks": 1},
    )  # fmt: skip
    fit = Fit(build(NET, SPEC, 3), config, steps_per_epoch=8)
    before = {name: p.detach().clone() for name, p in fit.net.named_parameters()}
    fit.train_epoch([rows()])  # as training.max_rows ends it
    moved = {n: p.detach() - before[n] for n, p in fit.net.named_parameters()}
    assert all(not change.any() for n, change in moved.items() if n.startswith("body.blocks"))
    norm = torch.cat([change.flatten() for change in moved.values()]).norm()
    assert float(norm) == pytest.approx(1e-4, rel=1e-3)


class Twice(nn.Module):
    """The same layer two times."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = self.first


def test_weights_that_are_there_twice_are_themselves_again_after_an_evaluation() -> None:
    net = Twice()
    averages = Averages(net, 0.9)
    with torch.no_grad():
        net.first.weight.add_(1)
    averages.end_step()
    own = net.first.weight.detach().clone()
    with averages.in_use():
        assert not torch.equal(net.first.weight, own)
    assert torch.equal(net.first.weight, own)


def test_averaged_weights_are_evaluated_and_the_own_ones_trained() -> None:
    batches = [rows()] * 4
    config = TrainingConfig(learning_rate=0.1, average=0.5)
    fit, plain = train(config, batches), train(override(config, {"average": None}), batches)
    assert torch.equal(weights(fit), weights(plain))
    path = []
    for steps in range(1, 5):
        short = Fit(build(NET, SPEC, 3), plain.config, steps_per_epoch=4)
        short.train_steps(batches[:steps])
        path.append(weights(short))
    mean = weights(Fit(build(NET, SPEC, 3), plain.config, steps_per_epoch=4))
    for step, now in enumerate(path, 1):
        decay = min(0.5, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * now
    with fit.averaged():
        assert torch.allclose(weights(fit), mean, atol=1e-6)
        assert not torch.allclose(weights(fit), path[-1], atol=1e-4)
    assert torch.equal(weights(fit), weights(plain))
    other = Fit(build(NET, SPEC, 3), config, steps_per_epoch=4)
    other.load_state_dict(fit.state_dict())
    with other.averaged():
        assert torch.allclose(weights(other), mean, atol=1e-6)


def test_the_plain_mean_of_the_last_epochs_has_batch_norms_of_its_own() -> None:
    net = CNNConfig(batch_norm=True)
    plain = TrainingConfig(learning_rate=0.1, epochs=4)
    config = override(plain, {"swa_start": 0.5})
    reference = Fit(build(net, SPEC, 3), plain, steps_per_epoch=1)
    fit = Fit(build(net, SPEC, 3), config, steps_per_epoch=1)
    path = []
    for epoch in range(1, 5):
        reference.train_epoch([rows()])
        fit.train_epoch([rows()])
        path.append(weights(reference))
        with fit.averaged():
            assert torch.allclose(weights(fit), torch.stack(path[1:] or path).mean(0), atol=1e-6)
        assert torch.equal(weights(fit), path[-1])  # its own ones are trained
        if epoch == 3:  # an interruption loses nothing
            state = fit.state_dict()
            fit = Fit(build(net, SPEC, 3), config, steps_per_epoch=1)
            fit.load_state_dict(state)
    before = {n: v.clone() for n, v in fit.net.named_buffers()}
    with fit.averaged():
        fit.renew_statistics([rows()])
        fit.net.train()
        norm = next(m for m in fit.net.modules() if isinstance(m, nn.BatchNorm2d))
        seen: list[torch.Tensor] = []
        norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        mean = norm.running_mean.clone()  # type: ignore[union-attr]
        fit.net.eval()(rows().features)
        assert torch.allclose(mean, seen[0].mean((0, 2, 3)), atol=1e-4)
    assert all(torch.equal(v, before[n]) for n, v in fit.net.named_buffers())
    with fit.averaged():  # what was measured is kept with the mean
        assert torch.equal(norm.running_mean, mean)  # type: ignore[arg-type]


def test_means_of_weights_that_cannot_be_are_refused() -> None:
    for changes, message in (
        ({"average": 0.9}, "are two means of the weights"),
        ({"max_minutes": 5.0}, "whose number max_minutes 5 does not give"),
        ({"epochs": 3, "swa_start": 0.9}, "leaves one of 3 epochs"),
    ):
        with pytest.raises(ConfigError, match=message):
            TrainingConfig(**({"swa_start": 0.5} | changes))  # type: ignore[arg-type]


def test_layers_learn_at_their_rates_and_from_their_epochs() -> None:
    config = TrainingConfig(
        optimizer="sgd",
        momentum=0.0,
        learning_rate=0.1,
        freeze={"body.blocks": 1, "*.bias": None},
        layer_rates={"body.output": 0.1},
    )
    batches = [rows()]
    fit = Fit(build(NET, SPEC, 3), config, steps_per_epoch=1)
    names = [name for name, _ in fit.net.named_parameters()]
    assert any(name.startswith("body.blocks") for name in names)

    def moved(fit: Fit) -> dict[str, float]:
        before = {n: p.detach().clone() for n, p in fit.net.named_parameters()}
        fit.train_epoch(batches)
        after = dict(fit.net.named_parameters())
        return {n: float((after[n].detach() - p).norm()) for n, p in before.items()}

    first, second = moved(fit), moved(fit)
    for name in names:
        if name.endswith("bias"):
            assert first[name] == second[name] == 0
        elif name.startswith("body.blocks"):
            assert first[name] == 0 < second[name]
    free = Fit(
        build(NET, SPEC, 3),
        override(config, {"freeze": {}, "layer_rates": {}}),
        steps_per_epoch=1,
    )
    name = "body.output.weight"
    assert first[name] == pytest.approx(0.1 * moved(free)[name], rel=1e-4)
    for changes, message in (
        (
            {"freeze": {"body.block": 2}},
            "training.freeze: Unknown layer 'body.block'. Did you mean 'body.blocks",
        ),
        ({"layer_rates": {"boddy": 2}}, "training.layer_rates: Unknown layer 'boddy'"),
        (
            {"freeze": {"body.output": None}},
            "training.layer_rates 'body.output' would change nothing",
        ),
        (
            {"freeze": {"body": None}, "layer_rates": {}},
            "leaves no parameter to train in the first epoch",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            Fit(build(NET, SPEC, 3), override(config, changes), steps_per_epoch=1)
