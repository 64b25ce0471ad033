"""`find_learning_rate`: try rising learning rates on a net that is thrown away, and record the losses."""

from __future__ import annotations

import time
from contextlib import nullcontext

from ray.exceptions import RayTaskError

from nets.rate_range import RateCurve, spaced_rates
from tracking import Recorder
from workbench.bridge import Prepared
from workbench.cluster import Session, name_lost_ray
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress, Silent
from workbench.results import RateResult
from workbench.training import provenance
from workbench.training.causes import find_cause
from workbench.training.checks import check_before_start, check_prepared, describe_large_batch
from workbench.training.driver import close_run
from workbench.training.learner import new_net
from workbench.training.one_worker import measure_on_one
from workbench.training.partial import refuse_partial
from workbench.training.preparing import prepare_experiment, session_for
from workbench.training.recording import default_recorder, record_data

LOW, HIGH, STEPS = 1e-7, 10.0, 100
"""The rates that are tried where nothing else is said, as in fastai's `lr_find`."""


def find_learning_rate(
    experiment: Experiment,
    *,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
    session: Session | None = None,
    recorder: Recorder | None = None,
    progress: Progress | None = None,
    prepared: Prepared | None = None,
) -> RateResult:
    """Train a net one step at each of many rising learning rates, and suggest the rate of the steepest fall.

    The net is thrown away. `training.learning_rate`, the schedule and the number of epochs have no part
    in it. One worker trains on whole batches, as several would together.

    Args:
        low, high: the first and the last rate.
        steps: rates from `low` to `high`, each the same multiple of the one before. The last ones are
            left out where the loss has risen to four times its lowest value, or is not finite.
        session: Ray and Spark to use; None: started and stopped here.
        recorder: where the run is written; None: the MLflow store of MLFLOW_TRACKING_URI.
        prepared: data of the same session, from `bridge.prepare_table`; None: `experiment.data` is
            prepared.

    Raises:
        ConfigError: rates that do not rise, fewer than 20 steps, or a setting that a training refuses.
        DataError, ClusterError: the data or the cluster cannot be used.
        TrainingError: the worker's process died.
    """
    rates = spaced_rates(low, high, steps)
    refuse_partial(experiment.training, "lr-find")
    notes = check_before_start(experiment, reads_source=prepared is None)
    progress = progress or Silent()
    recorder = recorder or default_recorder()
    own = session_for(experiment, progress=progress)
    with nullcontext(session) if session else own as session:
        session.check(experiment.cluster)
        if prepared is None:
            prepared = prepare_experiment(experiment, session, progress)
        new_net(experiment, prepared)  # an impossible net is refused before a run exists
        check_prepared(experiment, prepared)  # its notes are about epochs and evaluations
        rows = prepared.splits["train"].num_rows
        if large := describe_large_batch(experiment.training.batch_size, rows):
            notes.append(large)
        if experiment.cluster.num_workers > 1:
            notes.append(describe_workers(experiment))
        for note in notes:
            progress.note(note)
        run_id = recorder.start(
            experiment.name,
            f"{experiment.name}-lr-{time.strftime('%m%d-%H%M%S')}",
            params=provenance.params(experiment)
            | {"lr_find.from": low, "lr_find.to": high, "lr_find.steps": steps},
            tags=provenance.tags(experiment, "lr_find", prepared.fingerprint)
            | provenance.describe_data(experiment, prepared),
        )
        with close_run(recorder, run_id), name_lost_ray(session.ray_address):
            record_data(recorder, run_id, experiment, prepared)
            if notes:
                recorder.tags(run_id, {"workbench.notes": " ".join(notes)})
            progress.stage(f"Trying {steps} learning rates from {low:g} to {high:g}")
            try:
                curve, used = measure_on_one(experiment, prepared, session, rates)
            except RayTaskError as error:
                raise find_cause(error) from error
            recorder.tags(run_id, used)
            record_curve(recorder, run_id, curve)
            progress.stage_done()
    return RateResult(
        run_id=run_id,
        rates=curve.rates,
        losses=curve.losses,
        suggestion=curve.suggestion,
        end=curve.end,
    )


def describe_workers(experiment: Experiment) -> str:
    """The note on a training by several workers."""
    workers = experiment.cluster.num_workers
    return (
        f"One worker tries the learning rates, with the whole batch of {experiment.training.batch_size} "
        f"rows that cluster.num_workers {workers} would share: the rate is right for {workers} workers too."
    )


def record_curve(recorder: Recorder, run_id: str, curve: RateCurve) -> None:
    """The loss and the rate by step, the suggestion, and why it ended."""
    for step, (rate, loss) in enumerate(zip(curve.rates, curve.losses, strict=True), 1):
        recorder.metrics(run_id, {"lr_find/loss": loss, "lr_find/learning_rate": rate}, step)
    if curve.suggestion is not None:
        recorder.metrics(run_id, {"lr_find/suggestion": curve.suggestion}, 0)
    recorder.tags(run_id, {"workbench.lr_find.end": curve.end})
