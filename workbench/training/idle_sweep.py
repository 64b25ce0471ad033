"""Settings of `sweep` that change nothing beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from nets.idle import IdleSetting
from workbench.experiments.experiment import Experiment


def idle_in_sweep(experiment: Experiment) -> Iterator[IdleSetting]:
    """Settings that change nothing."""
    sweep = experiment.sweep
    if sweep.search == "grid":
        rule = "a grid tries every combination of the listed values"
        way_out = "Set sweep.search to random or bayes"
        yield IdleSetting("sweep.num_trials", rule, way_out)
        rule = "a grid draws nothing"
        # --seed sets both seeds, and that of the training acts.
        yield IdleSetting("sweep.seed", rule, way_out, (experiment.training.seed,))
    if sweep.scheduler == "none":
        for name in ("grace_epochs", "reduction_factor"):
            rule = "scheduler 'none' stops no trial early"
            yield IdleSetting(f"sweep.{name}", rule, "Set sweep.scheduler to asha")
    if sweep.scheduler == "median":
        rule = "it belongs to scheduler asha, got scheduler 'median'"
        yield IdleSetting("sweep.reduction_factor", rule, "Set sweep.scheduler to asha")
