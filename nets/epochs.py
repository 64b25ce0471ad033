"""How the passes over the training rows are cut into epochs, and where a training ends.

An epoch is what lies between two evaluations. By default it is one pass over the rows;
`TrainingConfig.epoch_rows` makes it shorter or longer, `limit_batches` shorter. Passes follow each other without a gap: each
row comes once a pass, wherever the epochs end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nets.batches import num_batches
from nets.training import TrainingConfig


class Stretch(NamedTuple):
    """Batches of one pass, one after another."""

    number: int
    """Of the pass, from 0: what the order of its rows is drawn from."""
    first: int
    """The first batch."""
    steps: int


class Epochs(NamedTuple):
    """Steps of a training; a step is a batch."""

    steps_per_pass: int
    steps_per_epoch: int
    num_steps: int
    """Of the whole training, if nothing ends it early."""
    rows: int
    """About as many rows as an epoch has."""
    repeats: bool = False
    """Every epoch has the first batches of the first pass; `TrainingConfig.overfit_batches`."""

    def stretches(self, epoch: int, step: int) -> Iterator[Stretch]:
        """The batches of an epoch (from 0), from its step `step` on."""
        at = epoch * self.steps_per_epoch + step
        end = min((epoch + 1) * self.steps_per_epoch, self.num_steps)
        if self.repeats:
            if at < end:
                yield Stretch(0, step, end - at)
            return
        while at < end:
            number, first = divmod(at, self.steps_per_pass)
            steps = min(self.steps_per_pass - first, end - at)
            yield Stretch(number, first, steps)
            at += steps


def plan_epochs(config: TrainingConfig, num_rows: int, *, world_size: int = 1) -> Epochs:
    """The steps of a training.

    Args:
        num_rows: of a pass, after resampling.

    Raises:
        ConfigError: fewer rows, or fewer rows a step, than workers.
    """
    a_pass = num_batches(num_rows, config.batch_size, world_size=world_size)
    steps, rows = a_pass, num_rows
    if config.epoch_rows is not None:
        steps, rows = -(-config.epoch_rows // config.batch_size), config.epoch_rows
    for limit in (config.overfit_batches, config.limit_batches):
        if limit is not None and limit < steps:
            steps, rows = limit, limit * config.batch_size
    num_steps = config.epochs * steps
    if config.max_rows is not None:
        passes, rest = divmod(config.max_rows, num_rows)
        num_steps = min(num_steps, passes * a_pass + -(-rest // config.batch_size))
    return Epochs(a_pass, steps, num_steps, rows, config.overfit_batches is not None)
