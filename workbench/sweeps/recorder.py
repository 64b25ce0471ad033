"""The trials of a sweep, followed while Ray Tune runs them and written to the tracking store."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from nets import best_epoch
from nets.config import override
from tracking import Recorder
from workbench.bridge import is_whole
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.results import TrialResult
from workbench.sweeps.background import InOrder
from workbench.sweeps.trial import settings_of
from workbench.sweeps.variants import Variants
from workbench.training import provenance
from workbench.training.checkpoints import checkpoint_folder, discard_checkpoint


class TrialRecorder(tune.Callback):
    """Ray Tune's events as MLflow runs and as progress."""

    def __init__(
        self,
        experiment: Experiment,
        recorder: Recorder,
        progress: Progress,
        *,
        sweep_run: str,
        variants: Variants,
        total: int,
        earlier: list[TrialResult],
    ) -> None:
        """
        Args:
            sweep_run: the run the trials' runs lie below.
            variants: the data of each trial.
            total: how many trials there will be, the earlier ones included.
            earlier: finished trials of the sweep this one continues.
        """
        self.experiment, self.recorder, self.progress = experiment, recorder, progress
        self.sweep_run, self.variants, self.total = sweep_run, variants, total
        self.trials: dict[str, TrialResult] = {str(trial.number): trial for trial in earlier}
        self.lost = False
        """Whether trials ended because their data was gone."""
        self._began: dict[str, float] = {}
        self.written = InOrder("trials")
        """Writes to the store, which must not hold up Ray Tune's loop, that all trials wait for.
        A block to be left before the trials' runs are used."""

    def __getstate__(self) -> dict[str, Any]:
        # Ray Tune pickles its callbacks with its own state, which is never read again here: a
        # sweep resumes from the tracking store.
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        if trial.trial_id in self.trials:
            # The same trial, started again after its process died.
            again = "from its last checkpoint" if trial.checkpoint else "from its beginning"
            number = self.trials[trial.trial_id].number
            self.progress.note(f"Trial {number} goes on {again}: its process died.")
            return
        settings = settings_of(trial.config)
        experiment = override(self.experiment, settings)
        followed = TrialResult(number=len(self.trials) + 1, run_id="", settings=settings)
        self.trials[trial.trial_id] = followed
        self._began[trial.trial_id] = time.perf_counter()
        self.written.do(self._start, followed, experiment)
        self._tell(followed)

    def _start(self, trial: TrialResult, experiment: Experiment) -> None:
        trial.run_id = self.recorder.start(
            experiment.name,
            f"trial-{trial.number:03d}",
            params=provenance.params(experiment),
            tags=provenance.tags(experiment, "trial", self.variants.of(trial.settings).fingerprint)
            | {
                "workbench.sweep": self.sweep_run,
                "workbench.trial": str(trial.number),
                "workbench.settings": json.dumps(trial.settings),
            },
            parent=self.sweep_run,
        )

    def _tag(self, trial: TrialResult, name: str, text: str) -> None:
        self.written.do(lambda: self.recorder.tags(trial.run_id, {f"workbench.{name}": text}))

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        followed = self.trials[trial.trial_id]
        followed.seconds = time.perf_counter() - self._began[trial.trial_id]
        if path := result.get("checkpoint_path"):
            followed.checkpoint = path
        verdict = result.get("verdict")
        for metrics in result.get("epochs", [] if verdict else [result["metrics"]]):
            followed.epochs = int(metrics["epoch"])
            self.written.do(self._epoch, followed, metrics)
            self._keep_best(followed, metrics)
            self._tell(followed)
        if verdict:
            followed.status = "FAILED"
            self._tag(followed, "error", verdict)
            self.progress.note(f"Trial {followed.number} failed: {verdict}")

    def _epoch(self, trial: TrialResult, metrics: dict[str, float]) -> None:
        self.recorder.metrics(trial.run_id, metrics, int(metrics["epoch"]))

    def on_trial_save(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        if trial.checkpoint is None:
            return
        followed = self.trials[trial.trial_id]
        before, followed.checkpoint = followed.checkpoint, trial.checkpoint.path
        if before is not None and before != followed.checkpoint:
            storage = checkpoint_folder(self.experiment)
            self.written.do(discard_checkpoint, storage, before)

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        followed = self.trials[trial.trial_id]
        if followed.status == "RUNNING":
            complete = bool((trial.last_result or {}).get("finished"))
            followed.status = "FINISHED" if complete else "STOPPED"
        if followed.status == "STOPPED":
            scheduler = self.experiment.sweep.scheduler
            self._tag(followed, "stopped", f"{scheduler} at epoch {followed.epochs}")
        self._finish(followed)

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        followed = self.trials[trial.trial_id]
        if not is_whole(self.variants.of(followed.settings)):
            # No fault of its settings: killed, it is tried again when the sweep goes on.
            followed.status = "KILLED"
            self.lost = True
            text = "the data was lost with the machine that held it"
            self._tag(followed, "error", text)
            self.progress.note(f"Trial {followed.number} was ended: {text}.")
            return self._finish(followed)
        followed.status = "FAILED"
        reason = str(trial.get_error() or "the trial's process died").strip().splitlines()[-1]
        self._tag(followed, "error", reason[:4000])
        self.progress.note(f"Trial {followed.number} failed: {reason}")
        self._finish(followed)

    def kill_unfinished(self) -> list[TrialResult]:
        """Mark what still runs as killed, at the end of an interrupted sweep."""
        unfinished = [trial for trial in self.trials.values() if trial.status == "RUNNING"]
        for trial in unfinished:
            trial.status = "KILLED"
            self._finish(trial)
        return unfinished

    def leaderboard(self) -> list[TrialResult]:
        """All trials, the best first; those without a result last."""
        sign = -1 if self.experiment.sweep.mode == "max" else 1
        return sorted(
            self.trials.values(),
            key=lambda trial: (trial.value is None, sign * (trial.value or 0), trial.number),
        )

    def _keep_best(self, trial: TrialResult, metrics: Mapping[str, float]) -> None:
        latest = (metrics["epoch"], metrics[self.experiment.sweep.metric])
        before = [] if trial.value is None else [(trial.metrics["epoch"], trial.value)]
        if best_epoch([*before, latest], self.experiment.sweep.mode) == latest:
            trial.value, trial.metrics = latest[1], dict(metrics)

    def _finish(self, trial: TrialResult) -> None:
        # A trial that its scheduler stopped did what it was to do; a tag says where it stopped.
        status = "FINISHED" if trial.status == "STOPPED" else trial.status
        self.written.do(lambda: self.recorder.finish(trial.run_id, status))
        self.written.do(self._tell, trial)  # what a person is told is finished, is kept

    def _tell(self, trial: TrialResult) -> None:
        self.progress.trial(trial.news(self.total, self.experiment.sweep.metric))
