"""Small nets of every kind, with rows that they can learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from nets import (
    AutoencoderConfig,
    BlockConfig,
    CNNConfig,
    Net,
    NetConfig,
    RNNConfig,
    TensorSpec,
    TrainingConfig,
    build,
)
from nets.batches import Batch, batches, num_batches
from nets.fit import Fit
from nets.prepare import PreparationConfig, make
from nets.resnet import fast_resnet

ROWS, BATCH = 96, 32
PICTURE = TensorSpec(kind="image", shape=(3, 16, 16), dtype="uint8")
SERIES = TensorSpec(kind="series", shape=(12, 3))
TEXT = TensorSpec(kind="tokens", shape=(12,), dtype="int32", vocabulary_size=20)
BLOCKS = (BlockConfig(channels=8), BlockConfig(channels=8))


@dataclass(frozen=True)
class Sample:
    """A net and the kind of its rows."""

    net: NetConfig
    spec: TensorSpec
    loss: str = "cross_entropy"

    def rows(self) -> Batch:
        """Rows whose first half of the values tells the class."""
        generator = torch.Generator().manual_seed(0)
        label = torch.randint(2, (ROWS,), generator=generator)
        shape = (ROWS, *self.spec.shape)
        length = None
        if self.spec.kind == "image":
            features = torch.randint(0, 120, shape, dtype=torch.uint8, generator=generator)
            features[:, :, :8] += (100 * label[:, None, None, None]).to(torch.uint8)
        elif self.spec.kind == "series":
            features = torch.randn(shape, generator=generator)
            features[:, :6] += label[:, None, None]
            length = torch.randint(6, 13, (ROWS,), generator=generator)
        else:
            features = torch.randint(1, 10, shape, dtype=torch.int32, generator=generator)
            features[:, :6] += (10 * label[:, None]).to(torch.int32)
            length = torch.randint(6, 13, (ROWS,), generator=generator)
        return Batch(features, label, length)

    def make(self) -> Net:
        method = "scale" if self.spec.dtype == "uint8" else "none"
        prepare = make(PreparationConfig(method=method), self.spec)
        return build(self.net, self.spec, 2, prepare=prepare, seed=0)

    def config(self, **settings: Any) -> TrainingConfig:
        """With plain descent: Adam makes a difference of rounding as large as a step."""
        monitor = {"monitor": "validation/loss", "mode": "min"} if self.loss == "mse" else {}
        defaults = {"epochs": 3, "batch_size": BATCH, "optimizer": "sgd", "learning_rate": 0.02}
        return TrainingConfig(**(defaults | {"loss": self.loss} | monitor | settings))

    def start(self, device: torch.device, **settings: Any) -> Fit:
        steps = num_batches(ROWS, BATCH)
        return Fit(self.make(), self.config(**settings), steps_per_epoch=steps, device=device)


SAMPLES = {
    "cnn": Sample(CNNConfig(blocks=BLOCKS), PICTURE),
    "cnn of text": Sample(CNNConfig(blocks=BLOCKS, embedding=8), TEXT),
    "resnet": Sample(fast_resnet(4), PICTURE),
    "lstm": Sample(RNNConfig(cell="lstm", hidden=8), SERIES),
    "gru, two ways": Sample(RNNConfig(cell="gru", hidden=8, layers=2, bidirectional=True), SERIES),
    "rnn of text": Sample(RNNConfig(cell="rnn", hidden=8, embedding=8, summary="max"), TEXT),
    "autoencoder": Sample(AutoencoderConfig(), PICTURE, loss="mse"),
}


def to_device(rows: Batch, device: torch.device) -> Batch:
    return Batch(*(None if x is None else x.to(device) for x in rows[:4]))


def train(fit: Fit, rows: Batch, epochs: int | None = None) -> list[float]:
    """The loss of each epoch."""
    seed, size = fit.config.seed, fit.config.batch_size
    return [
        fit.train_epoch(batches(rows, size, seed=seed, epoch=fit.epoch))["train/loss"]
        for _ in range(fit.config.epochs - fit.epoch if epochs is None else epochs)
    ]
