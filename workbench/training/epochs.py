"""The epochs of a training on prepared data: their steps, and the note on one that takes long."""

from __future__ import annotations

from nets.batches import num_resampled_rows
from nets.epochs import Epochs, plan_epochs
from workbench.bridge import Prepared
from workbench.experiments.experiment import Experiment

_LONG_EPOCH_S = 600.0


def plan_of(experiment: Experiment, prepared: Prepared, *, world_size: int = 1) -> Epochs:
    """The steps of a training on the prepared data."""
    training, rows = experiment.training, prepared.splits["train"].num_rows
    if training.resample != "none":
        rows = num_resampled_rows(prepared.class_counts or (), training.resample)
    return plan_epochs(training, rows, world_size=world_size)


def describe_long_epochs(experiment: Experiment, rows: int, rows_per_s: float) -> str | None:
    """The note on an epoch that takes longer than ten minutes; None where it does not."""
    seconds = rows / rows_per_s if rows_per_s else 0.0
    if seconds <= _LONG_EPOCH_S:
        return None
    few = max(experiment.training.batch_size, round(rows_per_s * _LONG_EPOCH_S, -3))
    return (
        f"An epoch of {rows:,} rows takes about {seconds / 60:.0f} minutes, and only its end is "
        f"evaluated. training.epoch_rows={few:.0f} evaluates every ten minutes and keeps the best; "
        "training.epochs counts these shorter epochs then."
    )
