"""On a GPU: CIFAR-10 to 94 %, training against what the card can do, an LSTM. Needs torch and nets only.

    python -m benchmarks.gpu --data ../shared/data/cifar10     train.parquet and test.parquet of `image`, `label`
    python -m benchmarks.gpu --data cifar10.npz                train_features (n, 3, 32, 32) uint8, train_label, test_...
    python -m benchmarks.gpu --smoke                           tiny sizes, on any machine, results not saved

The card's limit is measured in the same run: bfloat16 products of large matrices, and a wide 3x3
convolution. A net's rate is the arithmetic of its forward and backward pass over the time of a step.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import cases, report
from benchmarks.cases import CIFAR, LSTM, Case
from nets.augment import AugmentConfig
from nets.batches import Batch, batches, num_batches
from nets.fit import Fit
from nets.net import build
from nets.prepare import Prepare
from nets.resnet import fast_resnet
from nets.rnn import RNNConfig
from nets.training import TrainingConfig

GOAL_ERROR = 6.0
"""Largest error, in per cent of the test pictures."""


@dataclass(frozen=True)
class Size:
    """Sizes of the nets and data."""

    matrix: int = 8192
    channels: int = 512
    width: int = 64
    epochs: int = 16
    batch: int = 512
    rows: int = 25_600
    hidden: int = 512


SMOKE = Size(matrix=64, channels=8, width=4, epochs=1, batch=32, rows=128, hidden=8)


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def time_call(call: Callable[[], object], device: str, repeats: int) -> float:
    """Seconds of a call, after two to warm up."""
    for _ in range(2):
        call()
    wait(device)
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    wait(device)
    return (time.perf_counter() - began) / repeats


def measure_floors(device: str, size: Size) -> dict[str, float]:
    """FLOP/s of a product of matrices and of a convolution, bfloat16."""
    kind = {"device": device, "dtype": torch.bfloat16}
    square = torch.randn(size.matrix, size.matrix, **kind)
    picture = torch.randn(size.batch, size.channels, 8, 8, **kind)
    picture = picture.contiguous(memory_format=torch.channels_last)
    conv = torch.nn.Conv2d(size.channels, size.channels, 3, padding=1, bias=False).to(**kind)
    conv = conv.to(memory_format=torch.channels_last)
    flops = 2 * 9 * size.channels**2 * picture.shape[0] * 64
    with torch.inference_mode():
        return {
            "product of matrices": 2
            * size.matrix**3
            / time_call(lambda: square @ square, device, 20),
            "convolution 3x3": flops / time_call(lambda: conv(picture), device, 20),
        }


def count_step_flops(case: Case, data: Batch) -> float:
    """Floating-point operations of one step, forward and backward (twice the forward pass)."""
    if isinstance(case.net, RNNConfig):  # the counter does not know RNNs: four gates a step
        steps, channels = case.spec.shape
        return (
            3
            * 2
            * 4
            * case.net.hidden
            * (channels + case.net.hidden)
            * steps
            * case.config.batch_size
        )
    model = cases.Plain(case).to(data.features.device)
    size = case.config.batch_size
    with FlopCounterMode(display=False) as counter:
        model(data.features[:size]).sum().backward()
    return float(counter.get_total_flops())


def measure_throughput(
    results: report.Report, case: Case, device: str, size: Size, rounds: int
) -> None:
    """`Fit` beside the loop by hand, and its share of the floor."""
    rows = case.data()
    data = Batch(rows.features.to(device), rows.label.to(device))
    steps = num_batches(case.rows, case.config.batch_size)
    fit = Fit(case.make(), case.config, steps_per_epoch=steps, device=device)
    ways = {
        "nets.fit.Fit": lambda: fit.train_epoch(
            batches(data, case.config.batch_size, seed=0, epoch=fit.epoch)
        ),
        "by hand, fused optimizer": cases.by_hand(case, data, fused=True),
    }
    flops = count_step_flops(case, data)
    for way, taken in report.run_interleaved(ways, rounds).items():
        target = 0.95 if way.startswith("by hand") else None
        rates = [case.rows / s for s in taken]
        done = flops * steps / min(taken) / 1e12
        results.add(case.name, way, rates, "rows/s", target=target, note=f"{done:.3g} TFLOP/s")


def read_splits(data: Path) -> dict[str, Batch]:
    """Read the splits train and test.

    Raises:
        ImportError: PyArrow or Pillow is missing, for Parquet files.
    """
    if data.suffix == ".npz":
        arrays = np.load(data, allow_pickle=False)
        return {
            name: Batch(
                torch.from_numpy(arrays[f"{name}_features"]),
                torch.from_numpy(arrays[f"{name}_label"]).long(),
            )
            for name in ("train", "test")
        }
    import pyarrow.parquet as pq
    from PIL import Image

    splits = {}
    for name in ("train", "test"):
        table = pq.read_table(data / f"{name}.parquet", columns=["image", "label"])
        opened = (Image.open(io.BytesIO(x.as_py())).convert("RGB") for x in table["image"])
        pictures = np.stack([np.asarray(picture) for picture in opened]).transpose(0, 3, 1, 2)
        _, label = np.unique(table["label"].to_numpy(), return_inverse=True)
        splits[name] = Batch(torch.from_numpy(pictures.copy()), torch.from_numpy(label).long())
    return splits


def train_to_goal(
    splits: dict[str, Batch], device: str, size: Size, seed: int
) -> tuple[float, float]:
    """Seconds of the training loop, and the error on the test pictures in per cent."""
    train, test = (
        Batch(splits[name].features.to(device), splits[name].label.to(device))
        for name in ("train", "test")
    )
    mean = train.features.float().mean((0, 2, 3)).reshape(3, 1, 1).cpu()
    deviation = train.features.float().std((0, 2, 3)).reshape(3, 1, 1).cpu()
    prepare = Prepare("standardize", CIFAR.spec, mean, 1 / deviation, None)
    config = TrainingConfig(
        epochs=size.epochs,
        batch_size=size.batch,
        learning_rate=0.4,
        optimizer="sgd",
        weight_decay=5e-4,
        schedule="one_cycle",
        label_smoothing=0.1,
        augment=AugmentConfig(flip=True, crop=4),
        health=False,
        seed=seed,
    )
    net = build(fast_resnet(size.width), CIFAR.spec, 10, prepare=prepare, seed=seed)
    steps = num_batches(len(train.label), size.batch)
    fit = Fit(net, config, steps_per_epoch=steps, device=device)
    wait(device)
    began = time.perf_counter()
    for epoch in range(size.epochs):
        fit.train_epoch(batches(train, size.batch, seed=seed, epoch=epoch))
    wait(device)
    taken = time.perf_counter() - began
    evaluation = fit.evaluate(batches(test, 1024, seed=0, epoch=0, shuffle=False))
    right = (evaluation.scores.argmax(1) == evaluation.labels).double().mean()
    return taken, 100 * (1 - float(right))


def measure(results: report.Report, options: argparse.Namespace, device: str, size: Size) -> None:
    for name, flops in measure_floors(device, size).items():
        results.add("floor of the card", name, flops / 1e12, "TFLOP/s")
    resnet = replace(
        CIFAR,
        net=fast_resnet(size.width),
        rows=size.rows,
        config=replace(CIFAR.config, batch_size=size.batch, health=False),
    )
    lstm = replace(
        LSTM,
        net=RNNConfig(cell="lstm", hidden=size.hidden),
        rows=size.rows,
        config=replace(LSTM.config, batch_size=size.batch, health=False),
    )
    for case in (resnet, lstm):
        measure_throughput(results, case, device, size, options.rounds)
    case = f"CIFAR-10, {size.epochs} epochs"
    if options.smoke:
        splits = {name: replace(CIFAR, rows=size.rows).data() for name in ("train", "test")}
    elif options.data is None:
        return results.skip(case, "fast_resnet", "no --data given")
    else:
        splits = read_splits(options.data)
    runs = [train_to_goal(splits, device, size, seed) for seed in range(options.rounds)]
    results.add(case, "seconds of training", [taken for taken, _ in runs])
    goal = None if options.smoke else GOAL_ERROR
    results.add(f"{case}, test", "error", [error for _, error in runs], "%", limit=goal)


def main() -> None:
    parser = report.make_parser(__doc__, rounds=3)
    parser.add_argument("--data", type=Path, help="CIFAR-10: a folder of Parquet files, or .npz")
    parser.add_argument("--smoke", action="store_true", help="tiny, on any machine")
    options = parser.parse_args()
    options.no_keep = options.no_keep or options.smoke
    if not torch.cuda.is_available() and not options.smoke:
        print("Skipped: torch sees no CUDA device (torch.cuda.is_available() is False).")
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU, sizes of --smoke"
    results = report.Report("gpu", f"On {card}", options)
    measure(results, options, device, SMOKE if options.smoke else Size())
    results.finish()


if __name__ == "__main__":
    main()
