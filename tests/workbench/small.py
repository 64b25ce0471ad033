"""Experiments small enough for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nets import BlockConfig, CNNConfig, TrainingConfig
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, SweepConfig, Uniform

TRAINING = TrainingConfig(epochs=3, learning_rate=3e-3, batch_size=64)


def digits(**training: Any) -> Experiment:
    """A net of some thousand weights on the digits."""
    return Experiment(
        name="digits-small",
        net=CNNConfig(blocks=(BlockConfig(channels=8),), dense=(32,)),
        training=replace(TRAINING, **training),
    )


def digits_sweep(**sweep: Any) -> Experiment:
    """Four trials over learning rate, batch size and activation."""
    space = {
        "training.learning_rate": Uniform(low=1e-4, high=1e-1, log=True),
        "training.batch_size": Choice(values=(32, 64)),
        "net.activation": Choice(values=("relu", "tanh", "maxout")),
    }
    config = SweepConfig(space=space, scheduler="none", search="random")
    if sweep.get("search") != "grid":  # which tries all there are
        config = replace(config, num_trials=4)
    return replace(digits(), sweep=replace(config, **sweep))
