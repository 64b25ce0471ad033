"""The loss at rising learning rates, measured in the process that trains."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch

import nets
from nets.fit import Batch
from nets.rate_range import RateCurve
from workbench.bridge import Prepared, SplitReader
from workbench.experiments.experiment import Experiment
from workbench.training.epochs import plan_of
from workbench.training.learner import new_net, task_of
from workbench.training.process import describe_use


def measure_rates(
    experiment: Experiment, prepared: Prepared, rates: Sequence[float]
) -> tuple[RateCurve, dict[str, str]]:
    """Train a new net, one step at each rate, and throw it away.

    Returns:
        The losses, and the tags that say what was really used (`process.describe_use`).
    """
    device = torch.device("cuda" if experiment.cluster.gpus_per_worker else "cpu")
    net = new_net(experiment, prepared).to(device)
    curve = nets.measure_rates(
        net,
        experiment.training,
        _batches(experiment, prepared, device),
        rates,
        class_counts=prepared.class_counts,
        task=task_of(experiment, prepared),
    )
    used = describe_use(
        experiment.training,
        device,
        num_workers=1,
        num_parameters=sum(values.numel() for values in net.parameters()),
        steps_per_epoch=plan_of(experiment, prepared).steps_per_epoch,
    )
    return curve, used


def _batches(experiment: Experiment, prepared: Prepared, device: torch.device) -> Iterator[Batch]:
    """The batches of a training, one pass over the rows after another without an end."""
    training = experiment.training
    reader = SplitReader(prepared.splits["train"], device)
    for epoch in itertools.count():
        yield from reader.shuffled(
            training.batch_size, seed=training.seed, epoch=epoch, resample=training.resample
        )
