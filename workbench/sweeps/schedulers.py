"""What stops poor trials early."""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from workbench.experiments.combinations import candidates
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import SweepConfig

_EPOCH = "metrics/epoch"
"""What schedulers count by: a report may be of several epochs."""


class _FreeProcessFirst:
    """Gives a free process the first waiting trial that has no process starting for it.

    Ray Tune gives it the first waiting trial of all, even if a process is starting for that one. It
    then ends the starting process and starts another for a later trial. Where trials are shorter than
    a start, that happens again and again.
    """

    slots: int
    """How many trials may run at once."""

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        trials = tune_controller.get_trials()
        waiting = [trial for trial in trials if trial.status == Trial.PENDING]
        starting = self.slots - sum(trial.status == Trial.RUNNING for trial in trials)
        return waiting[starting] if 0 <= starting < len(waiting) else None


class _Fifo(_FreeProcessFirst, FIFOScheduler):
    pass


class _Asha(_FreeProcessFirst, ASHAScheduler):
    pass


class _HyperBand(_Asha):
    pass


class _Median(_FreeProcessFirst, MedianStoppingRule):
    pass


def most_epochs(experiment: Experiment) -> int:
    """Epochs of the longest trial, where they are searched too."""
    searched = experiment.sweep.space.get("training.epochs")
    listed = [experiment.training.epochs] if searched is None else candidates(searched)
    return max(map(int, listed))


def count_brackets(grace: int, epochs: int, factor: int) -> int:
    """How many first rungs HyperBand has: `grace` epochs, `factor` times as many, and so on."""
    brackets = 1
    while grace * factor**brackets < epochs:
        brackets += 1
    return brackets


def make_scheduler(config: SweepConfig, epochs: int, slots: int) -> TrialScheduler:
    """Ray Tune's scheduler for the sweep's setting.

    Args:
        epochs: of the longest trial.
        slots: how many trials may run at once, or more.
    """
    scheduler: _Fifo | _Asha | _HyperBand | _Median
    if config.scheduler == "asha":
        scheduler = _Asha(
            time_attr=_EPOCH,
            max_t=epochs,
            grace_period=min(config.grace_epochs, epochs),
            reduction_factor=config.reduction_factor,
        )
    elif config.scheduler == "hyperband":
        # Its brackets run side by side (Li et al. 2020, section 3.3): no trial waits for others, or is
        # paused. Ray Tune's own HyperBandScheduler pauses trials, which gives their processes away.
        grace = min(config.grace_epochs, epochs)
        scheduler = _HyperBand(
            time_attr=_EPOCH,
            max_t=epochs,
            grace_period=grace,
            reduction_factor=config.reduction_factor,
            brackets=count_brackets(grace, epochs, config.reduction_factor),
        )
    elif config.scheduler == "median":
        scheduler = _Median(
            time_attr=_EPOCH, grace_period=config.grace_epochs, min_samples_required=3
        )
    else:
        scheduler = _Fifo()
    scheduler.slots = slots
    return scheduler
