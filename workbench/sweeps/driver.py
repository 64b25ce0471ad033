"""A sweep through Ray Tune. Every trial is a run below the sweep's run.

A trial on one worker trains in a process that later trials reuse; one on several workers trains
through Ray Train.
"""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from tracking import Recorder
from workbench.cluster import Session, name_lost_ray
from workbench.errors import TrainingError
from workbench.experiments.changes import override, param_name
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import SweepConfig
from workbench.progress import Progress, Silent
from workbench.results import SweepResult, TrialResult
from workbench.sweeps.bound import Bound
from workbench.sweeps.checks import check_space
from workbench.sweeps.folds import add_folds, group_folds, replicated, setting_of
from workbench.sweeps.objectives import objectives
from workbench.sweeps.ranking import find_front, record_front, record_groups
from workbench.sweeps.recorder import TrialRecorder
from workbench.sweeps.resume import (
    check_resumed,
    check_same_rows,
    describe_parameter,
    read_finished_trials,
)
from workbench.sweeps.schedulers import make_scheduler, most_epochs
from workbench.sweeps.search import limit_trials, plan_trials
from workbench.sweeps.trial import Trial, train_on_several
from workbench.sweeps.variants import Variants, prepare_variants
from workbench.training import close_run, provenance
from workbench.training.checkpoints import best_weights, checkpoint_folder, discard_checkpoints
from workbench.training.evaluation import evaluate_on_cluster
from workbench.training.preparing import session_for
from workbench.training.process import worker_resources
from workbench.training.recording import default_recorder, record_data, record_model

NUM_TRIALS_RUN = "workbench.num_trials"
"""The tag with the number of a sweep's trials: as planned while it runs, then those that came to an
end. MLflow's parameter sweep.num_trials stays what the sweep was first started with."""


def sweep(
    experiment: Experiment,
    *,
    session: Session | None = None,
    recorder: Recorder | None = None,
    progress: Progress | None = None,
    resume: str | None = None,
) -> SweepResult:
    """Search `experiment.sweep.space`; keep, evaluate and record the best trials' models.

    Args:
        session: Ray and Spark to use; None: started for this sweep and stopped after it.
        recorder: where runs are written; None: the MLflow store of MLFLOW_TRACKING_URI.
        resume: run id of an interrupted sweep, or its first letters; its finished trials are kept
            and not run again. The experiment must be the recorded one, except for more trials, a bound
            of time and settings of cluster.

    Raises:
        ConfigError: a path of the space does not exist, or one of its values breaks a rule; the
            sweep to resume is none, still runs, or was started with other settings.
        TrainingError: no trial has a result.
    """
    experiment = add_folds(experiment)
    notes = check_space(experiment, recorded=resume is not None)
    progress = progress or Silent()
    for line in notes:
        progress.note(line)
    recorder = recorder or default_recorder()
    if resume:
        resume = check_resumed(recorder, resume, experiment)
    config, message = limit_trials(experiment.sweep)
    experiment = replace(experiment, sweep=config)
    if message:
        progress.note(message)
    folder = checkpoint_folder(experiment)
    own = session_for(experiment, progress=progress, checkpoints=folder)
    with nullcontext(session) if session else own as session:
        session.end_idle_workers()  # trials have processes of their own
        session.check(experiment.cluster, checkpoints=folder)
        variants = prepare_variants(experiment, session, progress, recorded=resume is not None)
        prepared = variants.first
        if resume:
            check_same_rows(recorder, resume, prepared)
        earlier, last_number = (
            read_finished_trials(recorder, resume, experiment.sweep) if resume else ([], 0)
        )
        run_id = resume or recorder.start(
            experiment.name,
            f"{experiment.name}-sweep-{time.strftime('%m%d-%H%M%S')}",
            params=provenance.params(experiment) | _describe_space(experiment.sweep),
            tags=provenance.tags(experiment, "sweep", prepared.fingerprint),
        )
        if resume:
            # Else the run names a process that has ended, and looks killed while it goes on.
            recorder.tags(run_id, provenance.describe_process())
            recorder.flush()
            recorder.reopen(run_id)
        with close_run(recorder, run_id), name_lost_ray(session.ray_address):
            record_data(recorder, run_id, experiment, prepared)
            if variants.notes:
                recorder.tags(run_id, {"workbench.notes": " ".join(variants.notes)})
            result = _sweep(experiment, variants, recorder, run_id, progress, earlier, last_number)
        if result.interrupted:
            recorder.finish(run_id, "KILLED")
        return result


def _sweep(
    experiment: Experiment,
    variants: Variants,
    recorder: Recorder,
    run_id: str,
    progress: Progress,
    earlier: list[TrialResult],
    last_number: int,
) -> SweepResult:
    config = experiment.sweep
    space, search, num_samples, total = plan_trials(config, earlier)
    board = TrialRecorder(
        experiment,
        recorder,
        progress,
        sweep_run=run_id,
        variants=variants,
        total=total,
        earlier=earlier,
        last_number=last_number,
    )
    recorder.tags(run_id, {NUM_TRIALS_RUN: str(total)})
    storage = checkpoint_folder(experiment)
    each = len(replicated(config))
    several = f", {each} of each setting" if each > 1 else ""
    progress.stage(f"Running {num_samples or total - len(earlier)} trials{several}")
    bound = Bound(config.max_minutes, board)
    with board.written:
        if total > len(earlier):
            at_once = _limit_trials(experiment)
            tune.Tuner(
                _make_trainable(experiment, variants),
                param_space=space,
                tune_config=tune.TuneConfig(
                    metric=f"metrics/{config.metric}",
                    mode=config.mode,
                    search_alg=search,
                    scheduler=make_scheduler(
                        config,
                        most_epochs(experiment),
                        slots=at_once or _count_that_fit(experiment, ray.cluster_resources()),
                    ),
                    num_samples=num_samples or 1,
                    max_concurrent_trials=at_once,
                    reuse_actors=experiment.cluster.num_workers == 1,
                ),
                run_config=_run_config(experiment, run_id, storage, board, bound),
            ).fit()
        unfinished = bool(board.kill_unfinished()) or len(board.trials) < total
    progress.stage_done()
    ended = sum(trial.status != "KILLED" for trial in board.trials.values())
    recorder.tags(run_id, {NUM_TRIALS_RUN: str(ended)})
    if unfinished and bound.reached:
        unfinished = False
        progress.note(bound.describe(ended, total, run_id))
        recorder.tags(run_id, {"workbench.bound": f"{ended} of {total} trials"})
    interrupted = unfinished or board.lost
    trials = board.leaderboard()
    if not trials or trials[0].value is None:
        discard_checkpoints(storage, run_id)  # nobody evaluates them
        if interrupted:
            return SweepResult(run_id=run_id, trials=trials, interrupted=True)
        if bound.reached:
            raise TrainingError(
                f"No trial has a result after sweep.max_minutes {config.max_minutes:g}. Give more time: "
                f"--resume {run_id[:8]} --bound MINUTES."
            )
        raise TrainingError(
            f"None of {len(trials)} trials has a result. The first one's error is in its run "
            f"{trials[0].run_id if trials else ''}. Lower the learning rates of the space?"
        )
    configurations = []
    if len(replicated(config)) > 1:
        configurations = group_folds(trials, config)
        trials = [trial for configuration in configurations for trial in configuration.trials]
        record_groups(recorder, run_id, configurations, config, progress)
    front = find_front(trials, configurations, config) if config.objectives else []
    if front:
        record_front(recorder, run_id, trials, front)
    if unfinished:
        progress.note("Stopping: the best trials so far are evaluated. Ctrl-C again skips that.")
    _evaluate_best(experiment, variants, recorder, run_id, trials, front, progress)
    discard_checkpoints(storage, run_id)
    return SweepResult(
        run_id=run_id,
        trials=trials,
        interrupted=interrupted,
        configurations=configurations,
        objectives=objectives(config) if config.objectives else {},
        front=front,
        rows=_rows_of_metric(variants, config.metric),
    )


def _rows_of_metric(variants: Variants, metric: str) -> int | None:
    """Rows of the split that the metric is of; None where the trials' data differ in it."""
    split = metric.partition("/")[0]
    counts = {
        prepared.splits[split].num_rows if split in prepared.splits else None
        for prepared in variants.prepared.values()
    }
    return counts.pop() if len(counts) == 1 else None


def _run_config(
    experiment: Experiment, run_id: str, storage: str, board: TrialRecorder, bound: Bound
) -> tune.RunConfig:
    # Without num_to_keep: with it, Ray Tune writes the state of all trials, which is never read
    # here, at every checkpoint, and all trials wait for it. `board` removes the older checkpoints.
    at_end = tune.CheckpointConfig(checkpoint_at_end=True)
    return tune.RunConfig(
        name=run_id,
        storage_path=storage,
        callbacks=[board, bound],
        stop=bound,
        checkpoint_config=at_end if experiment.cluster.num_workers == 1 else None,
        failure_config=tune.FailureConfig(max_failures=experiment.cluster.max_failures),
        verbose=0,
        # In a notebook, the default one clears the cell when it is made.
        progress_reporter=tune.CLIReporter(),
    )


def _evaluate_best(
    experiment: Experiment,
    variants: Variants,
    recorder: Recorder,
    run_id: str,
    trials: list[TrialResult],
    front: list[int],
    progress: Progress,
) -> None:
    """Test results and models of the best trials, those of the front first; the winner's summary in the
    sweep's run."""
    kept = [t for t in trials if t.checkpoint and t.value is not None]
    kept = sorted(kept, key=lambda trial: trial.number not in front)[: experiment.sweep.keep]
    if kept:
        numbers = ", ".join(str(trial.number) for trial in kept)
        progress.stage(f"Evaluating on the test split: trial{'s' if kept[1:] else ''} {numbers}")
    for trial in kept:
        assert trial.checkpoint is not None
        weights = best_weights(checkpoint_folder(experiment), trial.checkpoint)
        trial_experiment, prepared = (
            override(experiment, trial.settings),
            variants.of(trial.settings),
        )
        model = evaluate_on_cluster(trial_experiment, prepared, weights)
        record_data(recorder, trial.run_id, trial_experiment, prepared)
        record_model(recorder, trial.run_id, model, prepared, step=trial.epochs)
        trial.metrics |= model.metrics
    best = trials[0]
    if len(replicated(experiment.sweep)) == 1:  # else the mean counts
        tied = sum(trial.value == best.value for trial in trials)
        recorder.tags(run_id, {"workbench.tied_trials": str(tied)})
    settings = setting_of(best.settings, experiment.sweep)
    recorder.tags(
        run_id,
        {"workbench.best_run": best.run_id, "workbench.best_settings": json.dumps(settings)},
    )
    recorder.metrics(run_id, best.metrics, 0)
    progress.stage_done()


def _make_trainable(experiment: Experiment, variants: Variants) -> Any:
    # Decided here: a trial may run where neither this folder nor WORKBENCH_HOME is the same.
    storage = checkpoint_folder(experiment)
    experiment = replace(experiment, cluster=replace(experiment.cluster, storage=storage))
    shared = {"experiment": experiment, "variants": variants}
    if experiment.cluster.num_workers == 1:
        return tune.with_resources(
            tune.with_parameters(Trial, **shared), worker_resources(experiment)
        )
    return tune.with_resources(tune.with_parameters(train_on_several, **shared), {"CPU": 0.01})


def _limit_trials(experiment: Experiment) -> int | None:
    """Trials on several workers hold nothing themselves: their workers must all fit at once."""
    limit = experiment.sweep.max_concurrent
    if experiment.cluster.num_workers == 1:
        return limit
    fit = _count_that_fit(experiment, ray.available_resources())
    return max(1, min(fit, limit or fit))


def _count_that_fit(experiment: Experiment, resources: dict[str, float]) -> int:
    return min(
        int(resources.get(name, 0) / (amount * experiment.cluster.num_workers))
        for name, amount in worker_resources(experiment).items()
        if amount
    )


def _describe_space(config: SweepConfig) -> dict[str, Any]:
    params: dict[str, Any] = {
        f"sweep.space.{param_name(path)}": describe_parameter(parameter)
        for path, parameter in config.space.items()
    }
    names = ["search", "scheduler", "num_trials", "metric", "mode", "seed"]
    more = [name for name in ("repeats", "max_minutes", "objectives") if _is_set(config, name)]
    return params | {f"sweep.{name}": getattr(config, name) for name in (*names, *more)}


def _is_set(config: SweepConfig, name: str) -> bool:
    return bool(getattr(config, name) != getattr(SweepConfig(), name))
