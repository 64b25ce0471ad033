"""Looks at the losses of the last steps: they are added up, or the training has diverged."""

from __future__ import annotations

import math

import torch

from nets.errors import DivergedError
from nets.fit_setup import ADVICE
from nets.step_losses import StepLosses
from nets.totals import EpochTotals


def check_losses(
    totals: EpochTotals, points: StepLosses, epoch: int, steps_per_epoch: int, began: float
) -> None:
    """Add the losses that wait in `totals` to its sum and to the curve by step.

    Args:
        epoch: that is under way, from 0.
        began: when training began that is under way, of `time.perf_counter`.

    Raises:
        DivergedError: one of them is not finite.
    """
    if not totals.pending:
        return
    losses = torch.stack([loss for loss, *_ in totals.pending]).tolist()
    first = totals.steps - len(losses) + 1
    diverges = not all(map(math.isfinite, losses))
    for step, (loss, (_, rows, rate, at)) in enumerate(
        zip(losses, totals.pending, strict=True), first
    ):
        if not math.isfinite(loss):
            error = DivergedError(
                f"The loss became {loss} at epoch {epoch + 1}, step {step} of "
                f"{steps_per_epoch}, at learning rate {rate:.3g}. {ADVICE}"
            )
            error.points = tuple(points.end())
            raise error
        totals.loss += loss * rows
        # Before a divergence each step is a point of its own.
        ends = diverges or step == steps_per_epoch
        ends = ends or bool(points.steps_a_point and step % points.steps_a_point == 0)
        number = epoch * steps_per_epoch + step
        points.add(loss, rows, step=number, seconds=at - began, rate=rate, ends=ends)
    totals.pending.clear()
