"""The bound of a sweep's time: no trial starts after it, and those that run then are stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ray import tune

if TYPE_CHECKING:
    from workbench.sweeps.recorder import TrialRecorder


class Bound(tune.Stopper, tune.Callback):
    """Ray Tune's stopper that ends all trials after so many minutes (None: never), or where their data is gone."""

    def __init__(self, minutes: float | None, trials: TrialRecorder) -> None:
        self._minutes, self._trials = minutes, trials
        self._ends_at: float | None = None
        self.reached = False

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count from the first trial's start: that of its process is no part of it."""
        if self._minutes is not None and self._ends_at is None:
            self._ends_at = time.monotonic() + 60 * self._minutes

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is stopped for its own result."""
        return False

    def stop_all(self) -> bool:
        """Whether the time is over, or no further trial can train."""
        self.reached = self._ends_at is not None and time.monotonic() >= self._ends_at
        return self.reached or self._trials.lost

    def describe(self, ended: int, total: int, run_id: str) -> str:
        """The note on what the bound has cut off."""
        return (
            f"The bound of {self._minutes:g} minutes is reached: {ended} of {total} trials came to their "
            f"end. `sweep ... --resume {run_id[:8]}` goes on for as long again."
        )
