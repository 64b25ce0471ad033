"""A trial of a sweep, as Ray Tune runs it: in a reused process on one worker, or through Ray Train."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback
from ray.tune.result import SHOULD_CHECKPOINT

from nets import DivergedError
from workbench.experiments.changes import override
from workbench.experiments.experiment import Experiment
from workbench.results import Settings
from workbench.sweeps.variants import Variants
from workbench.training.checkpoints import checkpoint_folder
from workbench.training.learner import Learner
from workbench.training.process import prepare_process
from workbench.training.ray_train import make_trainer

_TOGETHER_S = 0.5
"""A trial collects short epochs for this long before it reports them."""


class Due:
    """When a trial's next checkpoint is due: often enough that a death costs little, and seldom
    enough that checkpoints take at most a twentieth of the time."""

    FIRST_S, SHARE = 2.0, 1 / 20

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._asked: float | None = None
        self._cost_s = self.FIRST_S * self.SHARE

    def begins(self) -> None:
        """An epoch begins: the time since the last checkpoint was due is what that checkpoint took."""
        if self._asked is not None:
            self._since = self._clock()
            self._cost_s = self._since - self._asked
            self._asked = None

    def ends(self) -> bool:
        """An epoch has ended: whether to make a checkpoint now."""
        now = self._clock()
        due = now - self._since >= self._cost_s / self.SHARE
        if due:
            self._asked = now
        return due


class Trial(tune.Trainable):
    """A trial on one worker, in a process that the next trial reuses."""

    def setup(self, config: dict[str, Any], experiment: Experiment, variants: Variants) -> None:
        self.experiment, self.variants = experiment, variants
        prepare_process(experiment)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._due = Due()
        chosen = of_trial(self.experiment, settings_of(config))
        device = "cuda" if chosen.cluster.gpus_per_worker else "cpu"
        prepared = self.variants.of(settings_of(config))
        self.learner = Learner(chosen, prepared, device=device)

    def step(self) -> dict[str, Any]:
        """Train for half a second, and at least one epoch: fewer reports save round trips to Ray Tune.

        It stops at each epoch after which the scheduler may stop the trial.
        """
        self._due.begins()
        used = self.learner.describe_use()
        began = time.monotonic()
        history: list[dict[str, float]] = []
        sweep, epochs = self.experiment.sweep, self.learner.training.epochs
        while True:
            try:
                history.append(self.learner.train_epoch())
            except DivergedError as error:
                worst = {sweep.metric: -math.inf if sweep.mode == "max" else math.inf}
                worst["epoch"] = float(self.learner.epoch)
                failed = {"metrics": worst, "verdict": str(error), "done": True}
                points = [*self.learner.fit.take_points(), *error.points]
                return {"epochs": history, "used": used, "points": points, **failed}
            finished = self.learner.finished
            decided = sweep.decides_at(self.learner.epoch, epochs)
            if finished or decided or time.monotonic() - began > _TOGETHER_S:
                break
        latest = history[-1]
        result = {"epochs": history, "metrics": latest, "finished": finished, "done": finished}
        result |= {"used": used, "points": self.learner.fit.take_points()}
        return result | {SHOULD_CHECKPOINT: not finished and self._due.ends()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        if self.learner.best_weights:
            self.learner.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: str) -> None:
        if (Path(checkpoint) / "state.pt").exists():
            self.learner.load(Path(checkpoint))


def settings_of(config: Mapping[str, Any]) -> Settings:
    """The settings of a trial, from the configuration that Ray Tune gives it."""
    return dict(config["settings"]) if "settings" in config else dict(config)


def of_trial(experiment: Experiment, settings: Settings) -> Experiment:
    """The experiment of a trial. It records no loss by step unless asked to: that would be many times
    what a trial records otherwise."""
    chosen = override(experiment, settings)
    points = chosen.training.loss_points or 0
    return override(chosen, {"training.loss_points": points})


def train_on_several(config: dict[str, Any], experiment: Experiment, variants: Variants) -> None:
    """A trial on several workers: a Ray Tune function that runs a TorchTrainer."""
    chosen = of_trial(experiment, settings_of(config))
    name = f"trial-{tune.get_context().get_trial_id()}"
    storage = checkpoint_folder(experiment)
    prepared = variants.of(settings_of(config))
    make_trainer(chosen, prepared, name, storage, TuneReportCallback(), part_s=None).fit()
