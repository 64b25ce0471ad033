"""A resumed sweep: which sweep it is, what it was started with, and its trials so far.

A sweep is resumed with the settings of its record. Only the number of trials, the bound of its time and
the cluster may be others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from nets import ConfigError
from nets.config import flatten, from_dict, to_dict
from tracking import ArtifactError, Recorder, Run
from workbench.bridge import Prepared
from workbench.data.sources.dataframe import NUMBERED_ANEW
from workbench.experiments.changes import override
from workbench.experiments.combinations import is_active, plain
from workbench.experiments.experiment import Experiment
from workbench.experiments.space import Choice, SweepConfig, Uniform
from workbench.experiments.space_text import space_text
from workbench.results import Settings, TrialResult
from workbench.sweeps.folds import without_folds
from workbench.sweeps.objectives import RECORDED
from workbench.training.idle import check_idle_changes
from workbench.training.provenance import without_passwords

NUM_TRIALS = "sweep.num_trials"
MAX_MINUTES = "sweep.max_minutes"
_SHOWN = 5
"""Settings that a message names; the others are counted."""


def find_sweep(recorder: Recorder, name: str) -> Run:
    """The sweep with this run id, or with an id that begins so.

    Raises:
        RunNotFoundError: no run, or several runs, match.
        ConfigError: the run is no sweep, was deleted, or still runs.
    """
    run = recorder.find(name)
    short = run.run_id[:8]
    if run.kind != "sweep":
        parent = f" of sweep {run.parent[:8]}" if run.parent else ""
        raise ConfigError(
            f"Only a sweep can be resumed, and run {short} is a {run.kind or 'run'}{parent}. "
            "`workbench runs` lists the sweeps."
        )
    if run.deleted:
        raise ConfigError(f"Sweep {short} is deleted. Restore it before you resume it.")
    if run.status == "RUNNING":
        where = run.tags.get("workbench.host", "an unknown machine")
        raise ConfigError(
            f"Sweep {short} is still running, on {where}. Stop it before you resume it. If its "
            "machine is gone, set the run's status to KILLED in MLflow."
        )
    return run


def read_experiment(recorder: Recorder, run: Run) -> Experiment:
    """The experiment that a sweep recorded, without the folds that were added to its space.

    Raises:
        ConfigError: there is no such record, or it cannot be read.
    """
    try:
        tree = recorder.read_dict(run.run_id, "experiment.json")
        recorded = from_dict(Experiment, tree)
    except (ArtifactError, ConfigError) as error:
        raise ConfigError(
            f"Sweep {run.run_id[:8]} cannot be resumed, its record of the experiment cannot be "
            f"read: {error} Start a new sweep."
        ) from error
    return without_folds(recorded)


def resume_from_record(
    recorder: Recorder, name: str, current: Experiment, changes: Mapping[str, Any]
) -> tuple[str, Experiment, str | None]:
    """The run id of the sweep, the experiment to resume it with, and a note if the code differs.

    Args:
        name: run id or its first letters.
        current: the experiment as the code defines it today.
        changes: settings by path that were given beside it.

    Raises:
        ConfigError: the sweep cannot be resumed, or not with these settings.
    """
    run = find_sweep(recorder, name)
    recorded = read_experiment(recorder, run)
    short = run.run_id[:8]
    if current.name != recorded.name:
        raise ConfigError(
            f"Sweep {short} is of the experiment {recorded.name!r}, got {current.name!r}. Name the "
            "experiment that it was started with."
        )
    if recorded.data.source.kind == "dataframe":
        raise ConfigError(
            f"Sweep {short} trained on a DataFrame of a program, which its record does not hold. "
            "Resume it in that program: workbench.sweep(experiment, resume=...)."
        )
    allowed = {path: value for path, value in changes.items() if _may_change(path)}
    others = {path: value for path, value in changes.items() if path not in allowed}
    _refuse_changes(short, recorded, override(recorded, others), skip=lambda path: False)
    resumed = override(recorded, _read_passwords(recorded, current) | allowed)
    _check_num_trials(short, recorded, resumed)
    check_idle_changes(resumed, allowed)
    different = list_differences(recorded, current, skip=_may_change)
    note = None
    if different:
        lines = _shorten([f"{path} {old}, now {new}" for path, (old, new) in different.items()])
        note = (
            f"Sweep {short} goes on with the settings it was started with. The experiment "
            f"{current.name} as it is defined now differs: {lines}."
        )
    return run.run_id, resumed, note


def check_resumed(recorder: Recorder, name: str, experiment: Experiment) -> str:
    """The run id of a sweep that this experiment may resume.

    Raises:
        ConfigError: the sweep cannot be resumed, or was started with other settings.
    """
    run = find_sweep(recorder, name)
    recorded = read_experiment(recorder, run)
    _refuse_changes(run.run_id[:8], recorded, without_folds(experiment), skip=_may_differ)
    _check_num_trials(run.run_id[:8], recorded, experiment)
    return run.run_id


def check_same_rows(recorder: Recorder, run_id: str, prepared: Prepared) -> None:
    """Refuse to add trials on other rows to those of a sweep.

    Raises:
        ConfigError: the sweep's record names other rows.
    """
    try:
        before = recorder.read_dict(run_id, "data.json").get("content")
    except ArtifactError:
        return  # it ended before its data was prepared: it has no trials
    now = prepared.record.get("content")
    if before and now and before != now:
        raise ConfigError(
            f"Sweep {run_id[:8]} trained on other rows (content {before[:8]}, now {now[:8]}): its trials "
            "and new ones could not be compared. Give it the data as it was, or start a new sweep."
        )


def list_differences(
    recorded: Experiment, given: Experiment, *, skip: Callable[[str], bool]
) -> dict[str, tuple[str, str]]:
    """The settings that differ: path to both values as text."""
    old, new = _settings(recorded), _settings(given)
    return {
        path: (old.get(path, "not set"), new.get(path, "not set"))
        for path in old | new
        if old.get(path) != new.get(path) and not skip(path)
    }


def read_finished_trials(
    recorder: Recorder, sweep_run: str, config: SweepConfig
) -> tuple[list[TrialResult], int]:
    """The trials of an earlier sweep that came to an end of their own, and the highest number of all.

    Raises:
        ConfigError: the sweep searched other settings.
    """
    trials, last_number = [], 0
    for run in recorder.children(sweep_run):
        last_number = max(last_number, int(run.tags["workbench.trial"]))
        value = run.metrics.get(f"best/{config.metric}")
        if run.status == "FINISHED" and value is None:
            continue
        if run.status not in ("FINISHED", "FAILED"):
            continue
        settings = json.loads(run.tags["workbench.settings"])
        if not _is_of_space(settings, config):
            raise ConfigError(
                f"sweep {sweep_run} searched {', '.join(settings)}, got a space of "
                f"{', '.join(config.space)}. Resume it with the space it was started with."
            )
        trials.append(
            TrialResult(
                number=int(run.tags["workbench.trial"]),
                run_id=run.run_id,
                settings=settings,
                status="FAILED" if run.status == "FAILED" else "FINISHED",
                epochs=int(run.metrics.get("epoch", 0)),
                value=value,
                metrics=_metrics_of_best(run),
            )
        )
    return trials, last_number


def describe_parameter(parameter: Choice | Uniform) -> str:
    """A searched parameter as the sweep's run has it: `[32, 64]`, `log 0.001 to 0.1`."""
    conditions = [
        f"{path} {' or '.join(str(plain(value)) for value in values)}"
        for path, values in parameter.only_if.items()
    ]
    rest = f" if {' and '.join(conditions)}" if conditions else ""
    if isinstance(parameter, Choice):
        return f"{list(parameter.values)}{rest}"
    return f"{'log ' if parameter.log else ''}{parameter.low} to {parameter.high}{rest}"


def _is_of_space(settings: Settings, config: SweepConfig) -> bool:
    active = {path for path, one in config.space.items() if is_active(one, settings)}
    return settings.keys() == active


def _metrics_of_best(run: Run) -> dict[str, float]:
    """A trial's last metrics; of its objectives the values at its best epoch."""
    recorded = {
        name.removeprefix(RECORDED): value
        for name, value in run.metrics.items()
        if name.startswith(RECORDED)
    }
    return dict(run.metrics) | recorded


def _may_change(path: str) -> bool:
    return path in (NUM_TRIALS, MAX_MINUTES) or path == "cluster" or path.startswith("cluster.")


def _may_differ(path: str) -> bool:
    return _may_change(path) or path in NUMBERED_ANEW


def _refuse_changes(
    short: str, recorded: Experiment, given: Experiment, *, skip: Callable[[str], bool]
) -> None:
    if different := list_differences(recorded, given, skip=skip):
        lines = _shorten([f"{path} {old}, got {new}" for path, (old, new) in different.items()])
        raise ConfigError(
            f"Sweep {short} was started with {lines}. A sweep is resumed with its recorded settings; "
            "only more trials, a bound of time and settings of cluster may be given. For other settings, start a new "
            "sweep."
        )


def _check_num_trials(short: str, recorded: Experiment, given: Experiment) -> None:
    before, now = recorded.sweep.num_trials, given.sweep.num_trials
    if now < before:
        raise ConfigError(
            f"Sweep {short} was started with {NUM_TRIALS} {before}, got {now}. A resumed sweep may "
            "have more trials, not fewer."
        )


def _read_passwords(recorded: Experiment, current: Experiment) -> dict[str, Any]:
    """Settings whose record hides a password, from the same experiment in the code."""
    old = flatten(recorded)
    return {
        path: value
        for path, value in flatten(current).items()
        if without_passwords(value) != value and without_passwords(value) == old.get(path)
    }


def _settings(experiment: Experiment) -> dict[str, str]:
    """All settings as text, a parameter of the space as one."""
    tree = without_passwords(to_dict(experiment))
    settings = {
        path: _show(without_passwords(value))
        for path, value in flatten(experiment).items()
        if path != "description" and not f"{path}.".startswith("sweep.space.")
    }
    space = tree["sweep"]["space"]
    return settings | {f"sweep.space.{path}": _show_parameter(one) for path, one in space.items()}


def _show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _show_parameter(parameter: Mapping[str, Any]) -> str:
    if parameter.get("only_if"):
        return space_text("", parameter).removeprefix("=")
    if parameter["kind"] == "choice":
        return json.dumps(parameter["values"])
    return f"{'log ' if parameter['log'] else ''}{parameter['low']} to {parameter['high']}"


def _shorten(lines: list[str]) -> str:
    rest = len(lines) - _SHOWN
    return "; ".join(lines[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
