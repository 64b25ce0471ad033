"""Training throughput: `Fit.train_epoch` beside a hand-written loop, same net, rows, batch size.

    python -m bench.training [--seconds 4] [--rounds 5]

Rounds alternate between the loops and their order, and the table has medians, so that another
program on the machine slows all of them. Two hand-written loops: as people write it, and with the
fused optimizer that `Fit` chooses.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from nets.batches import Batch, batches, num_batches
from nets.cnn import CNNConfig
from nets.fit import Fit, autocast_dtype
from nets.net import Net, build
from nets.resnet import fast_resnet
from nets.rnn import RNNConfig
from nets.spec import TensorSpec
from nets.training import TrainingConfig

Loop = Callable[[], None]


@dataclass(frozen=True)
class Case:
    """A net, its rows and its settings."""

    name: str
    make: Callable[[], Net]
    spec: TensorSpec
    rows: int
    config: TrainingConfig


def cases() -> list[Case]:
    digit = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    digit_rows = TensorSpec(kind="series", shape=(8, 8))
    picture = TensorSpec(kind="image", shape=(3, 32, 32), dtype="uint8")
    small = TrainingConfig(batch_size=64)
    return [
        Case("CNN 8x8", lambda: build(CNNConfig(), digit, 10), digit, 1437, small),
        Case(
            "GRU 8 steps",
            lambda: build(RNNConfig(cell="gru"), digit_rows, 10),
            digit_rows,
            1437,
            small,
        ),
        Case(
            "ResNet 32x32",
            lambda: build(fast_resnet(24), picture, 10),
            picture,
            512,
            TrainingConfig(
                batch_size=128, optimizer="sgd", channels_last=True, precision="bfloat16"
            ),
        ),
    ]


def rows_of(spec: TensorSpec, count: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    if spec.dtype == "uint8":
        shape = (count, *spec.shape)
        features = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    else:
        features = torch.randn(count, *spec.shape, generator=generator)
    return Batch(features, torch.randint(10, (count,), generator=generator))


def by_fit(case: Case, data: Batch, device: str) -> Loop:
    size = case.config.batch_size
    fit = Fit(
        case.make(), case.config, steps_per_epoch=num_batches(len(data.label), size), device=device
    )

    def epoch() -> None:
        fit.train_epoch(batches(data, size, seed=0, epoch=fit.epoch))

    return epoch


def by_hand(case: Case, data: Batch, device: str, fused: bool) -> Loop:
    """The loop of a tutorial: it keeps the loss, nothing else."""
    net, size, config = case.make().to(device), case.config.batch_size, case.config
    if config.channels_last:
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer: torch.optim.Optimizer
    if config.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            net.parameters(), config.learning_rate, momentum=0.9, nesterov=True, fused=fused or None
        )
    else:
        optimizer = torch.optim.AdamW(net.parameters(), config.learning_rate, fused=fused or None)
    dtype = autocast_dtype(config, torch.device(device))
    precision = torch.autocast(device, torch.bfloat16, enabled=dtype is not None)

    def epoch() -> None:
        net.train()
        order = torch.randperm(len(data.label)).to(device)
        total = torch.zeros((), device=device)
        for rows in order.split(size):
            features, label = data.features[rows], data.label[rows]
            if config.channels_last:
                features = features.contiguous(memory_format=torch.channels_last)
            with precision:
                loss = F.cross_entropy(net(features), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()

    return epoch


def rates(loops: dict[str, Loop], rows: int, seconds: float, rounds: int) -> dict[str, float]:
    """Rows per second of each loop: the median over interleaved rounds of `seconds` in all."""
    for loop in loops.values():
        loop()
    found: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds):
        names = list(loops) if number % 2 == 0 else list(loops)[::-1]
        for name in names:
            done, started = 0, time.perf_counter()
            while done == 0 or time.perf_counter() - started < seconds / rounds:
                loops[name]()
                done += rows
            found[name].append(done / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=5.0, help="per loop and case")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    threads = torch.get_num_threads()
    print(f"training throughput, rows/s, on {device} ({threads} threads); ratio = Fit / by hand")
    print(
        f"{'net':<14}{'batch':>6}{'by hand':>10}{'fused':>10}{'Fit':>10}{'ratio':>8}{'(fused)':>9}"
    )
    for case in cases():
        data = rows_of(case.spec, case.rows)
        data = Batch(data.features.to(device), data.label.to(device))
        loops = {
            "hand": by_hand(case, data, device, fused=False),
            "fused": by_hand(case, data, device, fused=True),
            "fit": by_fit(case, data, device),
        }
        rate = rates(loops, case.rows, options.seconds, options.rounds)
        print(
            f"{case.name:<14}{case.config.batch_size:>6}{rate['hand']:>10,.0f}{rate['fused']:>10,.0f}"
            f"{rate['fit']:>10,.0f}{rate['fit'] / rate['hand']:>8.2f}{rate['fit'] / rate['fused']:>9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
