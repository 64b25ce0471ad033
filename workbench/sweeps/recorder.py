"""Records the trials of a sweep in the tracking store while Ray Tune runs them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial

from nets import best_epoch
from nets.step_losses import StepPoint
from tracking import Recorder
from workbench.bridge import Prepared
from workbench.experiments.changes import is_list_path, override, param_name
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.results import Settings, TrialResult
from workbench.sweeps.background import OrderedCalls
from workbench.sweeps.folds import replicated
from workbench.sweeps.objectives import PARAMETERS, RECORDED
from workbench.sweeps.searcher import read_parameters
from workbench.sweeps.trial import settings_of
from workbench.sweeps.variants import Variants
from workbench.training import provenance
from workbench.training.causes import find_cause
from workbench.training.checkpoints import checkpoint_folder, discard_checkpoint
from workbench.training.checks import describe_large_batch
from workbench.training.recording import step_metrics


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
        last_number: int = 0,
    ) -> None:
        """
        Args:
            sweep_run: the run the trials' runs lie below.
            variants: the data of each trial.
            total: how many trials there will be, with the earlier ones.
            earlier: finished trials of the sweep this one continues.
            last_number: highest number of a trial that the sweep has, with those that were killed.
        """
        self.experiment, self.recorder, self.progress = experiment, recorder, progress
        self.sweep_run, self.variants, self.total = sweep_run, variants, total
        self.trials: dict[str, TrialResult] = {str(trial.number): trial for trial in earlier}
        self._last_number = max([last_number, *(trial.number for trial in earlier)])
        self.lost = False
        """Whether trials ended because their data was gone."""
        self._began: dict[str, float] = {}
        self._used: dict[int, dict[str, str]] = {}
        self._parameters: dict[int, float] = {}
        self.written = OrderedCalls("trials")
        """Writes to the store in a thread of its own: all trials wait for Ray Tune's loop. Leave this
        context before you use the trials' runs."""

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
            self.progress.note(f"Trial {number} continues {again}: its process died.")
            return
        settings = settings_of(trial.config)
        experiment = override(self.experiment, settings)
        self._last_number += 1
        record = TrialResult(number=self._last_number, run_id="", settings=settings)
        self.trials[trial.trial_id] = record
        self._began[trial.trial_id] = time.perf_counter()
        self.written.do(self._start, record, experiment)
        self._report(record)

    def _start(self, trial: TrialResult, experiment: Experiment) -> None:
        prepared = self.variants.of(trial.settings)
        trial.run_id = self.recorder.start(
            experiment.name,
            f"trial-{trial.number:03d}",
            params=provenance.params(experiment) | _params_in_lists(trial.settings),
            tags=provenance.tags(experiment, "trial", prepared.fingerprint)
            | provenance.describe_data(experiment, prepared)
            | _note_large_batch(experiment, prepared)
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
        record = self.trials[trial.trial_id]
        record.seconds = time.perf_counter() - self._began[trial.trial_id]
        if path := result.get("checkpoint_path"):
            record.checkpoint = path
        part = result.get("part")  # of a trial on several workers
        self._record_use(record, part.used if part else result.get("used", {}))
        if (count := read_parameters(result)) is not None:
            self._parameters[record.number] = count
        if points := part.points if part else result.get("points"):
            self.written.do(self._steps, record, points)
        verdict = result.get("verdict")
        for metrics in result.get("epochs", [] if verdict else [result["metrics"]]):
            record.epochs = int(metrics["epoch"])
            self.written.do(self._epoch, record, metrics)
            self._keep_best(record, metrics)
            self._report(record)
        if verdict:
            record.status = "FAILED"
            self._tag(record, "error", verdict)
            self.progress.note(f"Trial {record.number} failed: {verdict}")

    def _record_use(self, trial: TrialResult, used: dict[str, str]) -> None:
        """Tag the trial with what its worker really uses, once for each worker that it had."""
        if used and self._used.get(trial.number) != used:
            self._used[trial.number] = used
            self.written.do(lambda: self.recorder.tags(trial.run_id, used))

    def _epoch(self, trial: TrialResult, metrics: dict[str, float]) -> None:
        self.recorder.metrics(trial.run_id, metrics, int(metrics["epoch"]))

    def _steps(self, trial: TrialResult, points: Sequence[StepPoint]) -> None:
        for point in points:
            self.recorder.metrics(trial.run_id, step_metrics(point), point.step)

    def on_trial_save(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        if trial.checkpoint is None:
            return
        record = self.trials[trial.trial_id]
        before, record.checkpoint = record.checkpoint, trial.checkpoint.path
        if before is not None and before != record.checkpoint:
            storage = checkpoint_folder(self.experiment)
            self.written.do(discard_checkpoint, storage, before)

    def on_trial_complete(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        record = self.trials[trial.trial_id]
        if record.status == "RUNNING":
            complete = bool((trial.last_result or {}).get("finished"))
            record.status = "FINISHED" if complete else "STOPPED"
        if record.status == "STOPPED":
            scheduler = self.experiment.sweep.scheduler
            self._tag(record, "stopped", f"{scheduler} at epoch {record.epochs}")
        self._finish(record)

    def on_trial_error(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any
    ) -> None:
        record = self.trials[trial.trial_id]
        if not self.variants.of(record.settings).is_whole():
            # Its settings are not to blame: a killed trial runs again when the sweep is resumed.
            record.status = "KILLED"
            self.lost = True
            text = "the prepared data is gone"
            self._tag(record, "error", text)
            self.progress.note(f"Trial {record.number} was ended: {text}.")
            return self._finish(record)
        record.status = "FAILED"
        error = trial.get_error()
        reason = str(find_cause(error)) if error else "the trial's process died"
        self._tag(record, "error", reason[:4000])
        self.progress.note(f"Trial {record.number} failed: {reason}")
        self._finish(record)

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
            if PARAMETERS in self.experiment.sweep.objectives:
                trial.metrics[PARAMETERS] = self._parameters[trial.number]

    def _finish(self, trial: TrialResult) -> None:
        others = self.experiment.sweep.objectives
        found = {RECORDED + name: trial.metrics[name] for name in others if name in trial.metrics}
        if found:
            self.written.do(lambda: self.recorder.metrics(trial.run_id, found, trial.epochs))
        # A trial that the scheduler stopped has not failed; a tag says where it stopped.
        status = "FINISHED" if trial.status == "STOPPED" else trial.status
        self.written.do(lambda: self.recorder.finish(trial.run_id, status))
        self.written.do(self._report, trial)  # a trial is reported as finished once it is stored

    def _report(self, trial: TrialResult) -> None:
        sweep = self.experiment.sweep
        repeated = tuple(replicated(sweep)[0])
        self.progress.trial(trial.news(self.total, sweep.metric, repeated))


def _params_in_lists(settings: Settings) -> dict[str, Any]:
    """Searched settings inside of lists, which have no parameter of their own otherwise."""
    return {param_name(path): value for path, value in settings.items() if is_list_path(path)}


def _note_large_batch(experiment: Experiment, prepared: Prepared) -> dict[str, str]:
    """The tag with the note on a trial's batch, where it is larger than its rows."""
    rows = prepared.splits["train"].num_rows
    note = describe_large_batch(experiment.training.batch_size, rows)
    return {"workbench.notes": note} if note else {}
