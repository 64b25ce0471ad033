"""The nets and rows of the training benchmarks, and a training loop by hand. Needs only torch and nets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nets.batches import Batch
from nets.cnn import CNNConfig
from nets.net import Net, NetConfig, build
from nets.precision import autocast_dtype
from nets.resnet import fast_resnet
from nets.rnn import RNNConfig
from nets.spec import TensorSpec
from nets.training import TrainingConfig

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """A net, its rows and its settings."""

    name: str
    net: NetConfig
    spec: TensorSpec
    rows: int
    config: TrainingConfig

    def make(self) -> Net:
        return build(self.net, self.spec, CLASSES)

    def data(self) -> Batch:
        """Noise of the right shape: the time of a step does not depend on the values."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.rows, *self.spec.shape)
        if self.spec.dtype == "uint8":
            features = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        else:
            features = torch.randn(shape, generator=generator)
        return Batch(features, torch.randint(CLASSES, (self.rows,), generator=generator))


DIGITS = Case(
    "CNN 8x8",
    CNNConfig(),
    TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8"),
    1437,
    TrainingConfig(batch_size=64),
)
CIFAR = Case(
    "ResNet 32x32",
    fast_resnet(24),
    TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8"),
    768,
    TrainingConfig(batch_size=128, optimizer="sgd", precision="bfloat16"),
)
LSTM = Case(
    "LSTM 64 steps",
    RNNConfig(cell="lstm", hidden=64),
    TensorSpec(kind="series", shape=(64, 8)),
    2048,
    TrainingConfig(batch_size=64),
)
CASES = {case.name: case for case in (DIGITS, CIFAR, LSTM)}


class Plain(nn.Module):
    """The case's net for other programs, with memory layout and precision inside."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.case, self.net = case, case.make()
        self.channels_last = case.config.channels_last and case.spec.kind == "image"
        if self.channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor) -> Tensor:
        if self.case.spec.dtype == "uint8" and features.dtype != torch.uint8:
            features = features.to(torch.uint8)
        features = features.reshape(-1, *self.case.spec.shape)
        if self.channels_last:
            features = features.contiguous(memory_format=torch.channels_last)
        dtype = autocast_dtype(self.case.config, features.device)
        with torch.autocast(features.device.type, torch.bfloat16, enabled=dtype is not None):
            scores: Tensor = self.net(features)
        return scores.float()


def make_optimizer(
    model: nn.Module, config: TrainingConfig, fused: bool = False
) -> torch.optim.Optimizer:
    """The optimizer as tutorials make it; `fused` as `Fit` makes it."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(),
            config.learning_rate,
            momentum=0.9,
            nesterov=True,
            fused=fused or None,
        )
    return torch.optim.AdamW(model.parameters(), config.learning_rate, fused=fused or None)


def train_on(
    batches: Iterable[tuple[Tensor, Tensor]], model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """One epoch of a tutorial's loop, which records only the loss."""
    model.train()
    total = torch.zeros((), device=next(model.parameters()).device)
    for features, label in batches:
        loss = F.cross_entropy(model(features), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach()
    total.item()


def by_hand(case: Case, data: Batch, *, fused: bool = False) -> Callable[[], None]:
    """An epoch over tensors on the device: the least that training can cost."""
    model = Plain(case).to(data.features.device)
    optimizer = make_optimizer(model, case.config, fused)

    def shuffle() -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(data.label)).to(data.label.device)
        for rows in order.split(case.config.batch_size):
            yield data.features[rows], data.label[rows]

    return lambda: train_on(shuffle(), model, optimizer)
