"""What a training needs to know before its first step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from nets.errors import ConfigError
from nets.layer_rules import LayerRules
from nets.net import Net
from nets.task import Task
from nets.training import TrainingConfig

ADVICE = (
    "Lower training.learning_rate, set training.clip_norm (1.0), or look for NaN and huge values "
    "in the rows."
)
"""The way out where a loss is not finite."""


def place(net: Net, config: TrainingConfig, device: torch.device | str | None = None) -> Net:
    """`net`, moved to its device (None: stay) and memory layout, in place, with what never learns frozen.

    For distributed training, call it before wrapping the net: a wrapper remembers the layout.
    """
    if device is not None:
        net.to(device)
    if config.channels_last:
        net.channels_last()
    LayerRules(net, config).freeze_for_good()
    return net


def find_task(net: Net, config: TrainingConfig, task: Task | None) -> Task:
    """What the net learns: as the caller says, or as the loss says.

    Raises:
        ConfigError: a loss of a person's own does not say it; an autoencoder with another loss.
    """
    task = task or Task.by_loss(net.config, config.loss)
    if task is None:
        raise ConfigError(
            f"loss {config.loss_name} does not say what is learned. Pass task: nets.Task.CLASSES or "
            "nets.Task.VALUES."
        )
    if task.reconstructs and not task.takes(config.loss):
        raise ConfigError(
            f"an autoencoder learns its own input by loss 'mse', got {config.loss_name!r}. Set loss to "
            f"mse, monitor to {task.monitor} and mode to {task.mode}."
        )
    return task


@contextlib.contextmanager
def keep_random_state(device: torch.device) -> Iterator[None]:
    """Give the caller's random state back at the end."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
