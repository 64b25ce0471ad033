"""Training throughput in one process: ours beside a loop by hand and PyTorch's DataLoader.

    python -m benchmarks.training [--rounds 5]

The same net, rows, batch size and precision everywhere; epochs are measured in turn. The data is noise:
the time of a step does not depend on it. Through Ray and Spark: python -m benchmarks.workers
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import cases, report
from benchmarks.cases import CASES, CLASSES, DIGITS, Case
from nets import CNN, CNNConfig, Custom, TensorSpec, build
from nets.batches import Batch, batches, num_batches
from nets.fit import Fit


class Own(nn.Module):
    """The net of the first case as a person's own: the same module, made by `Custom`."""

    def __init__(self, spec: TensorSpec, num_outputs: int) -> None:
        super().__init__()
        self.net = CNN(CNNConfig(), spec, num_outputs)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        out: Tensor = self.net(x, length)
        return out


def by_fit(case: Case, data: Batch, net: Custom | None = None) -> Callable[[], None]:
    size = case.config.batch_size
    steps = num_batches(len(data.label), size)
    made = case.make() if net is None else build(net, case.spec, CLASSES)
    fit = Fit(made, case.config, steps_per_epoch=steps, device=data.features.device)

    def epoch() -> None:
        fit.train_epoch(batches(data, size, seed=0, epoch=fit.epoch))

    return epoch


def by_loader(case: Case, data: Batch, processes: int) -> Callable[[], None]:
    """PyTorch's DataLoader over a TensorDataset, as in its tutorials."""
    rows = DataLoader(
        TensorDataset(data.features.cpu(), data.label.cpu()),
        case.config.batch_size,
        shuffle=True,
        num_workers=processes,
        persistent_workers=processes > 0,
    )
    device = data.features.device
    model = cases.Plain(case).to(device)
    optimizer = cases.make_optimizer(model, case.config)
    return lambda: cases.train_on(
        ((features.to(device), label.to(device)) for features, label in rows), model, optimizer
    )


def loops(results: report.Report, rounds: int) -> None:
    """Measure all loops in this process, with all cores."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for case in CASES.values():
        rows = case.data()
        data = Batch(rows.features.to(device), rows.label.to(device))
        ways = {
            "workbench": by_fit(case, data),
            "by hand, rows on the device": cases.by_hand(case, data),
            "by hand, fused optimizer": cases.by_hand(case, data, fused=True),
            "DataLoader": by_loader(case, data, 0),
            "DataLoader, 2 processes": by_loader(case, data, 2),
        }
        if case is DIGITS:
            ways["workbench, a net of your own"] = by_fit(case, data, Custom(Own))
        times = report.run_interleaved(
            {way: report.repeat_for(run) for way, run in ways.items()}, rounds
        )
        for way, seconds in times.items():
            rates = [case.rows / s for s in seconds]
            target = 0.95 if way.startswith("by hand, rows") else None
            results.add(f"{case.name}, one process", way, rates, "rows/s", target=target)


def main() -> None:
    options = report.make_parser(__doc__).parse_args()
    what = f"Training in one process, {CLASSES} classes, {os.cpu_count()} cores"
    results = report.Report("training", what, options)
    loops(results, options.rounds)
    results.finish()


if __name__ == "__main__":
    main()
