"""The loss at a fixed seed, as it was before: a change in how training is written must not move it.

The values were computed with commit eb050e6. Where training itself is meant to change, compute them
anew and say so in the commit.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nets import BlockConfig, CNNConfig, NetConfig, RNNConfig, TensorSpec, TrainingConfig, build
from nets.fit import Batch, Fit, batches, num_batches

EPOCHS, ROWS, CLASSES = 2, 96, 3
IMAGE, SERIES = TensorSpec(kind="image", shape=(1, 8, 8)), TensorSpec(kind="series", shape=(8, 2))
LABEL = torch.arange(ROWS) % CLASSES
SMALL_CNN = CNNConfig(blocks=(BlockConfig(channels=4), BlockConfig(channels=8)), dense=(16,))


def training_losses(net: NetConfig, spec: TensorSpec, config: TrainingConfig) -> list[float]:
    """Of each epoch the loss in training, and the loss over the same rows after it."""
    noise = torch.randn(ROWS, *spec.shape, generator=torch.Generator().manual_seed(0))
    level = (LABEL.float() - 1).reshape(-1, *[1] * len(spec.shape))
    length = torch.arange(ROWS) % 4 + 5 if spec.kind == "series" else None
    data = Batch(noise + level, LABEL, length)
    size, seed = config.batch_size, config.seed
    fit = Fit(build(net, spec, CLASSES, seed=seed), config, steps_per_epoch=num_batches(ROWS, size))
    losses = []
    for epoch in range(EPOCHS):
        metrics = fit.train_epoch(batches(data, size, seed=seed, epoch=epoch))
        after = fit.evaluate(batches(data, size, seed=0, epoch=0, shuffle=False))
        losses += [metrics["train/loss"], after.loss]
    return losses


DEFAULTS = TrainingConfig(epochs=EPOCHS, batch_size=16, seed=3)
SGD = TrainingConfig(
    epochs=EPOCHS,
    batch_size=16,
    seed=3,
    optimizer="sgd",
    learning_rate=0.02,
    schedule="one_cycle",
    clip_norm=1.0,
    weight_decay=0.01,
    label_smoothing=0.1,
)
CNN_DEFAULTS = [1.8835691610972087, 2.1645029641998312, 1.549495816230774, 1.5360713321715593]
CNN_SGD = [1.7541768153508503, 1.4597870189075668, 1.090924620628357, 1.0924520567059517]
RNN_DEFAULTS = [0.9307611485322317, 0.8026151930292448, 0.7297793130079905, 0.6353691993281245]


@pytest.mark.parametrize(
    ("net", "config", "expected"),
    [
        (SMALL_CNN, DEFAULTS, CNN_DEFAULTS),
        (SMALL_CNN, SGD, CNN_SGD),
        (RNNConfig(hidden=8), replace(DEFAULTS, learning_rate=0.01), RNN_DEFAULTS),
    ],
    ids=["cnn", "cnn, sgd", "rnn"],
)
def test_the_loss_at_a_fixed_seed_is_as_it_was(
    net: NetConfig, config: TrainingConfig, expected: list[float]
) -> None:
    spec = IMAGE if net.kind == "cnn" else SERIES
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert training_losses(net, spec, config) == pytest.approx(expected, rel=1e-6)
    finally:
        torch.set_num_threads(threads)
