"""Several workers train the net that one would have trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing

from nets import BlockConfig, CNNConfig, NetConfig, RNNConfig, TensorSpec, TrainingConfig, build
from nets.fit import AugmentConfig, Batch, Fit, batches, num_batches, place
from nets.synced_norm import synchronise

ROWS, SIZE, EPOCHS = 101, 16, 2
IMAGE, SERIES = TensorSpec(kind="image", shape=(1, 8, 8)), TensorSpec(kind="series", shape=(8, 2))


def config(**settings: Any) -> TrainingConfig:
    """With plain descent: Adam makes a difference of rounding as large as a step."""
    return TrainingConfig(
        epochs=EPOCHS, batch_size=SIZE, optimizer="sgd", learning_rate=0.05, **settings
    )


CNN = CNNConfig(blocks=(BlockConfig(channels=4),), dense=(16,), dropout=0.3, batch_norm=False)
NORMED = CNNConfig(blocks=(BlockConfig(channels=4), BlockConfig(channels=8)), dense=(16,))
FLIPPED = config(
    augment=AugmentConfig(flip=True, crop=1, cutout=2),
    class_weights="balanced",
    clip_norm=1.0,
)
JITTERED = config(augment=AugmentConfig(jitter=0.1, scaling=0.2, time_mask=2))
RESAMPLED = config(resample="over")
AVERAGED = config(
    average=0.9,
    accumulate=2,
    schedule="one_cycle",
    freeze={"body.blocks.0": 1},
    layer_rates={"body.output": 2.0},
    profile=True,
)
MEAN_OF_EPOCHS = config(swa_start=0.4, accumulate=3)
CASES = {
    "cnn": (CNN, IMAGE, FLIPPED),
    "rnn": (RNNConfig(hidden=8, dropout=0.2), SERIES, JITTERED),
    "batch norm": (NORMED, IMAGE, FLIPPED),
    "resampled": (CNN, IMAGE, RESAMPLED),
    "averaged": (CNN, IMAGE, AVERAGED),
    "mean of epochs": (NORMED, IMAGE, MEAN_OF_EPOCHS),
}


def make_rows(spec: TensorSpec) -> Batch:
    generator = torch.Generator().manual_seed(0)
    label = (torch.rand(ROWS, generator=generator) < 0.3).long()
    features = torch.randn(ROWS, *spec.shape, generator=generator)
    length = torch.arange(ROWS) % 4 + 5 if spec.kind == "series" else None
    return Batch(features, label, length, torch.rand(ROWS, generator=generator))


def losses(
    net: NetConfig, spec: TensorSpec, config: TrainingConfig, rank: int, world_size: int
) -> list[dict[str, float]]:
    """Of each epoch the metrics in training, and the loss over the same rows after it."""
    torch.set_num_threads(1)
    data = make_rows(spec)
    counts = torch.bincount(data.label).tolist()
    rows = 2 * max(counts) if config.resample == "over" else ROWS
    model = build(net, spec, 2, seed=0)
    synchronise(place(model, config))
    fit = Fit(
        model,
        config,
        steps_per_epoch=num_batches(rows, SIZE, world_size=world_size),
        class_counts=counts,
        model=torch.nn.parallel.DistributedDataParallel(model) if world_size > 1 else None,
    )
    history = []
    for epoch in range(EPOCHS):
        given = batches(
            data,
            SIZE,
            seed=config.seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
            resample=config.resample,
        )
        metrics = fit.train_epoch(given)
        del metrics["samples_per_s"]
        with fit.averaged():
            fit.renew_statistics(batches(data, SIZE, seed=0, epoch=0, shuffle=False))
            after = fit.evaluate(batches(data, SIZE, seed=0, epoch=0, shuffle=False))
        history.append(metrics | {"after": after.loss})
    return history


def run_worker(rank: int, world_size: int, folder: str) -> None:
    store = torch.distributed.FileStore(f"{folder}/store", world_size)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=world_size)
    found = {name: losses(*case, rank, world_size) for name, case in CASES.items()}
    torch.save(found, f"{folder}/{rank}.pt")
    store.set(f"done {rank}", "")  # gloo aborts a worker whose peer has gone while it sums
    store.wait([f"done {other}" for other in range(world_size)])
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("world_size", [2, 3])
def test_the_number_of_workers_does_not_change_the_losses(world_size: int, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(run_worker, (world_size, str(tmp_path)), nprocs=world_size)
    alone = {name: losses(*case, 0, 1) for name, case in CASES.items()}
    for rank in range(world_size):
        together = torch.load(tmp_path / f"{rank}.pt")
        for name, history in alone.items():
            for epoch, other in zip(history, together[name], strict=True):
                assert other == pytest.approx(epoch, rel=2e-4), name
