"""Sweeps through Ray Tune: a trial on one worker trains in a reused process, one on several
workers through Ray Train; every trial is a run below the sweep's run."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from nets import ConfigError
from nets.config import override
from tracking import Recorder
from workbench.cluster import Session, open_session
from workbench.errors import TrainingError
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.progress import Progress, Silent
from workbench.results import Configuration, SweepResult, TrialResult
from workbench.sweeps.recorder import TrialRecorder
from workbench.sweeps.search import candidates, plan, scheduler
from workbench.sweeps.trial import Trial, tune_over_train
from workbench.sweeps.variants import (
    FOLD,
    Variants,
    check_data_space,
    configurations,
    prepare_variants,
    with_folds,
)
from workbench.training import finishing, provenance
from workbench.training.checkpoints import best_weights, checkpoint_folder, discard_checkpoints
from workbench.training.evaluation import conclude_on_cluster
from workbench.training.process import worker_resources
from workbench.training.recording import default_recorder, record_data, record_outcome


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
        resume: run id of a sweep that was interrupted: its finished trials are taken as they are.

    Raises:
        ConfigError: a path of the space does not exist, or one of its values breaks a rule.
        TrainingError: no trial came to a result.
    """
    experiment = with_folds(experiment)
    check_space(experiment)
    progress = progress or Silent()
    recorder = recorder or default_recorder()
    folder = checkpoint_folder(experiment)
    own = open_session(experiment.cluster, progress=progress, checkpoints=folder)
    with nullcontext(session) if session else own as session:
        session.end_idle_workers()  # trials bring processes of their own
        session.check(experiment.cluster, checkpoints=folder)
        variants = prepare_variants(experiment, session, progress)
        prepared = variants.first
        earlier = finished_trials(recorder, resume, experiment.sweep) if resume else []
        run_id = resume or recorder.start(
            experiment.name,
            f"{experiment.name}-sweep-{time.strftime('%m%d-%H%M%S')}",
            params=provenance.params(experiment) | _described(experiment.sweep),
            tags=provenance.tags(experiment, "sweep", prepared.fingerprint),
        )
        if resume:
            recorder.reopen(run_id)
        with finishing(recorder, run_id):
            record_data(recorder, run_id, experiment, prepared)
            result = _sweep(experiment, variants, recorder, run_id, progress, earlier)
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
) -> SweepResult:
    config = experiment.sweep
    space, search, num_samples, total = plan(config, earlier)
    followed = TrialRecorder(
        experiment,
        recorder,
        progress,
        sweep_run=run_id,
        variants=variants,
        total=total,
        earlier=earlier,
    )
    storage = checkpoint_folder(experiment)
    progress.stage(f"Running {num_samples or total - len(earlier)} trials")
    with followed.written:
        if total > len(earlier):
            at_once = _concurrency(experiment)
            tune.Tuner(
                _trainable(experiment, variants),
                param_space=space,
                tune_config=tune.TuneConfig(
                    metric=f"metrics/{config.metric}",
                    mode=config.mode,
                    search_alg=search,
                    scheduler=scheduler(
                        config,
                        experiment.training.epochs,
                        slots=at_once or _fits(experiment, ray.cluster_resources()),
                    ),
                    num_samples=num_samples or 1,
                    max_concurrent_trials=at_once,
                    reuse_actors=experiment.cluster.num_workers == 1,
                ),
                run_config=_run_config(experiment, run_id, storage, followed),
            ).fit()
        unfinished = bool(followed.kill_unfinished()) or len(followed.trials) < total
    progress.stage_done()
    interrupted = unfinished or followed.lost
    trials = followed.leaderboard()
    if not trials or trials[0].value is None:
        if interrupted:
            return SweepResult(run_id=run_id, trials=trials, interrupted=True)
        raise TrainingError(
            f"None of {len(trials)} trials came to a result; the first one's error is in its run "
            f"{trials[0].run_id if trials else ''}. Lower the learning rates of the space?"
        )
    found = []
    if experiment.data.split.folds:
        found = configurations(trials, config.mode)
        trials = [trial for configuration in found for trial in configuration.trials]
        _record_folds(recorder, run_id, found, config, progress)
    if unfinished:
        progress.note("Stopping: the best trials so far are evaluated. Ctrl-C again skips that.")
    _conclude_best(experiment, variants, recorder, run_id, trials, progress)
    discard_checkpoints(storage, run_id)
    return SweepResult(run_id=run_id, trials=trials, interrupted=interrupted, configurations=found)


def _run_config(
    experiment: Experiment, run_id: str, storage: str, followed: TrialRecorder
) -> tune.RunConfig:
    # Without num_to_keep: with it, Ray Tune writes the state of all trials, which is never read
    # here, at every checkpoint, and all trials wait for that. `followed` removes the older ones.
    at_end = tune.CheckpointConfig(checkpoint_at_end=True)
    return tune.RunConfig(
        name=run_id,
        storage_path=storage,
        callbacks=[followed],
        checkpoint_config=at_end if experiment.cluster.num_workers == 1 else None,
        failure_config=tune.FailureConfig(max_failures=experiment.cluster.max_failures),
        verbose=0,
    )


def _record_folds(
    recorder: Recorder,
    run_id: str,
    found: list[Configuration],
    config: SweepConfig,
    progress: Progress,
) -> None:
    """Mean and deviation of every configuration, as a file, and of the best one as metrics."""
    rows = [
        {
            "settings": configuration.settings,
            "mean": configuration.mean,
            "deviation": configuration.deviation,
            "values": {t.settings[FOLD]: t.value for t in configuration.trials},
            "runs": {t.settings[FOLD]: t.run_id for t in configuration.trials},
        }
        for configuration in found
    ]
    told = {"metric": config.metric, "mode": config.mode, "configurations": rows}
    recorder.artifact_dict(run_id, "cross_validation.json", told)
    best = found[0]
    if best.mean is None:
        return
    deviation = best.deviation or 0.0
    metrics = {f"folds/{config.metric}/mean": best.mean}
    recorder.metrics(run_id, metrics | {f"folds/{config.metric}/deviation": deviation}, 0)
    settings = ", ".join(f"{path} {value}" for path, value in best.settings.items())
    progress.note(
        f"Best over {len(best.trials)} folds: {config.metric} {best.mean:.4f} ± {deviation:.4f} "
        f"({settings or 'as given'})"
    )


def _conclude_best(
    experiment: Experiment,
    variants: Variants,
    recorder: Recorder,
    run_id: str,
    trials: list[TrialResult],
    progress: Progress,
) -> None:
    """Test results and models of the best trials; the winner's summary in the sweep's run."""
    kept = [t for t in trials if t.checkpoint and t.value is not None][: experiment.sweep.keep]
    for place, trial in enumerate(kept, start=1):
        progress.stage(f"Evaluating trial {trial.number} on the test split ({place}/{len(kept)})")
        assert trial.checkpoint is not None
        weights = best_weights(checkpoint_folder(experiment), trial.checkpoint)
        chosen, prepared = override(experiment, trial.settings), variants.of(trial.settings)
        outcome = conclude_on_cluster(chosen, prepared, weights)
        record_data(recorder, trial.run_id, chosen, prepared)
        record_outcome(recorder, trial.run_id, outcome, prepared, step=trial.epochs)
        trial.metrics |= outcome.metrics
    best = trials[0]
    settings = best.settings
    if experiment.data.split.folds:
        settings = {path: value for path, value in settings.items() if path != FOLD}
    recorder.tags(
        run_id,
        {"workbench.best_run": best.run_id, "workbench.best_settings": json.dumps(settings)},
    )
    recorder.metrics(run_id, best.metrics, 0)
    progress.stage_done()


def _trainable(experiment: Experiment, variants: Variants) -> Any:
    # Decided here: a trial may run where neither this folder nor WORKBENCH_HOME is the same.
    storage = checkpoint_folder(experiment)
    experiment = replace(experiment, cluster=replace(experiment.cluster, storage=storage))
    shared = {"experiment": experiment, "variants": variants}
    if experiment.cluster.num_workers == 1:
        return tune.with_resources(
            tune.with_parameters(Trial, **shared), worker_resources(experiment)
        )
    return tune.with_resources(tune.with_parameters(tune_over_train, **shared), {"CPU": 0.01})


def _concurrency(experiment: Experiment) -> int | None:
    """Trials on several workers hold nothing themselves: their workers must all fit at once."""
    asked = experiment.sweep.max_concurrent
    if experiment.cluster.num_workers == 1:
        return asked
    fits = _fits(experiment, ray.available_resources())
    return max(1, min(fits, asked or fits))


def _fits(experiment: Experiment, resources: dict[str, float]) -> int:
    return min(
        int(resources.get(name, 0) / (amount * experiment.cluster.num_workers))
        for name, amount in worker_resources(experiment).items()
        if amount
    )


def check_space(experiment: Experiment) -> None:
    """Refuse a space with an unknown path or a value that breaks a rule, before anything starts."""
    if not experiment.sweep.space:
        raise ConfigError(
            f"experiment {experiment.name!r} has no sweep space. Give one, such as "
            "--space training.learning_rate=log:1e-4..1e-1 --space net.activation=relu,elu."
        )
    check_data_space(experiment)
    for path, parameter in experiment.sweep.space.items():
        if path.startswith("sweep."):
            raise ConfigError(f"a sweep cannot search its own setting {path!r}.")
        if isinstance(parameter, Uniform) and experiment.sweep.search == "grid":
            raise ConfigError(
                f"a grid needs a list of values for every path, got a range for {path!r}. List "
                "values, or use search random or bayes."
            )
        for value in candidates(parameter):
            override(experiment, {path: value})


def finished_trials(recorder: Recorder, sweep_run: str, config: SweepConfig) -> list[TrialResult]:
    """The trials of an earlier sweep that came to an end of their own, from the tracking store.

    Raises:
        ConfigError: the run is no sweep, or searched other settings.
    """
    found = []
    for run in recorder.children(sweep_run):
        value = run.metrics.get(f"best/{config.metric}")
        if run.status == "FINISHED" and value is None:
            continue
        if run.status not in ("FINISHED", "FAILED"):
            continue
        settings = json.loads(run.tags["workbench.settings"])
        if settings.keys() != config.space.keys():
            raise ConfigError(
                f"sweep {sweep_run} searched {', '.join(settings)}, got a space of "
                f"{', '.join(config.space)}. Resume it with the space it was started with."
            )
        found.append(
            TrialResult(
                number=int(run.tags["workbench.trial"]),
                run_id=run.run_id,
                settings=settings,
                status="FAILED" if run.status == "FAILED" else "FINISHED",
                epochs=int(run.metrics.get("epoch", 0)),
                value=value,
                metrics=dict(run.metrics),
            )
        )
    return found


def _described(config: SweepConfig) -> dict[str, Any]:
    described: dict[str, Any] = {
        f"sweep.space.{path}": str(list(parameter.values))
        if isinstance(parameter, Choice)
        else f"{'log ' if parameter.log else ''}{parameter.low} to {parameter.high}"
        for path, parameter in config.space.items()
    }
    plain = replace(config, space={})
    names = ("search", "scheduler", "num_trials", "metric", "mode", "seed")
    return described | {f"sweep.{name}": getattr(plain, name) for name in names}
