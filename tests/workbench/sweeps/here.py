"""Sweeps in this process: real trainings, the real recorder, schedulers aside; no Ray and no Spark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ray.tune.search import Searcher

from tests.workbench.ui.fill import NoSession, digits
from tracking import Recorder
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.results import Settings, SweepResult
from workbench.sweeps import driver, variants
from workbench.sweeps.trial import of_trial
from workbench.training.learner import Learner


class TunerHere:
    """Ray Tune's place: asks for settings, trains, reports, and looks at the bound between epochs."""

    def __init__(
        self, _trainable: Any, *, param_space: Any, tune_config: Any, run_config: Any
    ) -> None:
        self.space, self.tune_config, self.bound = param_space, tune_config, run_config.stop
        self.search = tune_config.search_alg
        self.callbacks = run_config.callbacks
        self.board = run_config.callbacks[0]
        self.folder = Path(run_config.storage_path) / run_config.name

    def fit(self) -> None:
        for number, settings in enumerate(self._ask(), start=1):
            trial = SimpleNamespace(
                trial_id=f"t{number}", config={"settings": settings}, checkpoint=None
            )
            for callback in self.callbacks:
                callback.on_trial_start(0, [], trial)
            if not self._train(trial, settings):
                return

    def _ask(self) -> Iterator[Settings]:
        if self.search is None:
            yield from self.space["settings"]["grid_search"]
            return
        for number in range(1, self.tune_config.num_samples + 1):
            suggested = self.search.suggest(f"t{number}")
            if suggested == Searcher.FINISHED:
                return
            yield suggested["settings"]

    def _train(self, trial: Any, settings: Settings) -> bool:
        """Whether the trial came to its end before the bound."""
        learner = Learner(of_trial(self.board.experiment, settings), digits("cnn"))
        used = learner.describe_use()
        while True:
            metrics = learner.train_epoch()
            if self.bound.stop_all():
                return False
            path = self.folder / trial.trial_id
            path.mkdir(parents=True, exist_ok=True)
            learner.save(path)
            result = {"epochs": [metrics], "metrics": metrics, "used": used}
            result |= {"finished": learner.finished, "checkpoint_path": str(path)}
            self.board.on_trial_result(0, [], trial, result)
            if learner.finished:
                trial.last_result = result
                self.board.on_trial_complete(0, [], trial)
                if self.search is not None:
                    self.search.on_trial_complete(trial.trial_id, result)
                return True
            if self.search is not None:
                self.search.on_trial_result(trial.trial_id, result)


def sweep_here(
    experiment: Experiment,
    recorder: Recorder,
    *,
    progress: Progress | None = None,
    resume: str | None = None,
) -> SweepResult:
    """`workbench.sweep` on digits in memory, one trial after the other."""
    session: Any = NoSession()
    with (
        patch.object(variants, "prepare_experiment", lambda *_args, **_options: digits("cnn")),
        patch.object(driver.tune, "Tuner", TunerHere),
    ):
        return driver.sweep(
            experiment, session=session, recorder=recorder, progress=progress, resume=resume
        )
