"""Which epoch is the best so far, and when to stop waiting for a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nets.config import unknown
from nets.errors import ConfigError
from nets.training import TrainingConfig


class Monitor:
    """Follows one metric over the epochs, as `TrainingConfig.monitor`, `mode` and `patience` say."""

    def __init__(self, config: TrainingConfig) -> None:
        self.metric = config.monitor
        self.sign = 1.0 if config.mode == "max" else -1.0
        self.patience = config.patience
        self.best_epoch = 0
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
        better = math.isnan(self.best) or self.sign * value > self.sign * self.best
        if better and not math.isnan(value):
            self.best_epoch, self.best = epoch, value
            return True
        return False

    @property
    def should_stop(self) -> bool:
        """True once `patience` epochs have passed without a better value."""
        return 0 < self.patience <= self.epoch - self.best_epoch

    def state_dict(self) -> dict[str, float]:
        return {"best_epoch": self.best_epoch, "best": self.best, "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        self.best_epoch, self.epoch = int(state["best_epoch"]), int(state["epoch"])
        self.best = float(state["best"])
