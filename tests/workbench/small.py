"""Experiments small enough for tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nets import BlockConfig, CNNConfig, TensorSpec, TrainingConfig
from workbench.bridge.fetch import Origin
from workbench.bridge.prepared import Prepared, Split
from workbench.bridge.store import StoredSplit
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


def prepared(**rows: int) -> Prepared:
    """Digits of ten classes by their rows in each split, for code that opens no file of them."""
    spec = TensorSpec(kind="image", shape=(1, 8, 8), dtype="uint8")
    origin = Origin(folder=Path("/nowhere"), id="s", node=None)
    splits = {
        name: Split(
            name=name,
            num_rows=num,
            spec=spec,
            stored=StoredSplit(rows=num, columns={}, sums={}),
            origin=origin,
        )
        for name, num in rows.items()
    }
    return Prepared(
        splits=splits,
        spec=spec,
        labels=tuple("0123456789"),
        num_outputs=10,
        statistics=None,
        class_counts=None,
        fingerprint="f",
    )
