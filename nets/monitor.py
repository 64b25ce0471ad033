"""Which epoch is the best so far, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nets.best import best_epoch
from nets.config import unknown
from nets.errors import ConfigError
from nets.training import TrainingConfig

_STATE = ("best_epoch", "improved_epoch", "best", "epoch")


class Monitor:
    """Follows one metric over the epochs, as `TrainingConfig.monitor`, `mode` and `patience` say."""

    def __init__(self, config: TrainingConfig) -> None:
        self.metric = config.monitor
        self.mode = config.mode
        self.patience = config.patience
        self.best_epoch = 0
        """The latest epoch with the best value, by `nets.best_epoch`."""
        self.improved_epoch = 0
        """The first epoch with the best value: what patience counts from."""
        self.best = math.nan
        self.epoch = 0

    def update(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Take the metrics of an epoch (from 1); True when it is the best so far.

        Raises:
            ConfigError: the metric is not among them.
        """
        if self.metric not in metrics:
            raise ConfigError(unknown("metric to monitor", self.metric, sorted(metrics)))
        value = float(metrics[self.metric])
        self.epoch = epoch
        best = best_epoch([(self.best_epoch, self.best), (epoch, value)], self.mode)
        if best != (epoch, value):
            return False
        if value != self.best:
            self.improved_epoch = epoch
        self.best_epoch, self.best = epoch, value
        return True

    @property
    def should_stop(self) -> bool:
        """True once `patience` epochs have passed without a better value."""
        return 0 < self.patience <= self.epoch - self.improved_epoch

    def state_dict(self) -> dict[str, float]:
        """Numbers only."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Continue from what `state_dict` gave."""
        for name in _STATE:
            setattr(self, name, state[name])
