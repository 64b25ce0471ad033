"""The search that the shipped experiments start from."""

from __future__ import annotations

from typing import Literal

from workbench.experiments.space import Choice, SweepConfig, Uniform

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "maxout")


def default_sweep(
    *,
    learning_rate: tuple[float, float] = (1e-4, 1e-1),
    batch_size: tuple[int, ...] = (32, 64, 128, 256),
    activation: tuple[str, ...] | None = ACTIVATIONS,
    metric: str = "validation/accuracy",
    mode: Literal["max", "min"] = "max",
) -> SweepConfig:
    """Learning rate by magnitude, batch size and activation: 16 trials, the poor ones stopped early.

    Args:
        learning_rate: lowest and highest.
        activation: None for a net that has none to choose.
    """
    low, high = learning_rate
    space: dict[str, Choice | Uniform] = {
        "training.learning_rate": Uniform(low=low, high=high, log=True),
        "training.batch_size": Choice(values=batch_size),
    }
    if activation is not None:
        space["net.activation"] = Choice(values=activation)
    return SweepConfig(
        space=space,
        search="bayes",
        scheduler="asha",
        num_trials=16,
        metric=metric,
        mode=mode,
    )
