"""What a sweep's trials add up to: means over folds and repeats, and the Pareto front; and their record."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from tracking import Recorder
from workbench.experiments.space import SweepConfig
from workbench.progress import Progress
from workbench.results import Configuration, Settings, TrialResult
from workbench.sweeps.folds import FOLD, SEED
from workbench.sweeps.objectives import objectives, pareto_front, read_values


def record_groups(
    recorder: Recorder,
    run_id: str,
    configurations: list[Configuration],
    config: SweepConfig,
    progress: Progress,
) -> None:
    """Mean and deviation of every configuration, as a file and as tags of its trials, and of the best
    one as metrics."""
    folds = FOLD in config.space
    name = "cross_validation" if folds else "repeats"
    rows = [_describe(configuration, folds) for configuration in configurations]
    summary = {"metric": config.metric, "mode": config.mode, "configurations": rows}
    recorder.artifact_dict(run_id, f"{name}.json", summary)
    for one in configurations:
        if one.mean is not None:
            tags = {
                "workbench.mean": str(one.mean),
                "workbench.deviation": str(one.deviation or 0.0),
            }
            for trial in one.trials:
                recorder.tags(trial.run_id, tags)
    best = configurations[0]
    if best.mean is None:
        return
    deviation = best.deviation or 0.0
    prefix = f"{'folds' if folds else 'repeats'}/{config.metric}"
    recorder.metrics(run_id, {f"{prefix}/mean": best.mean, f"{prefix}/deviation": deviation}, 0)
    settings = ", ".join(f"{path} {value}" for path, value in best.settings.items())
    progress.note(
        f"Best over {_count(best, config)}: {config.metric} {best.mean:.4f} ± {deviation:.4f} "
        f"({settings or 'as given'})"
    )


def _count(best: Configuration, config: SweepConfig) -> str:
    number = len(best.trials)
    if config.repeats == 1:
        return f"{number} folds"
    seeds = f"{config.repeats} seeds"
    return f"{number // config.repeats} folds with {seeds}" if FOLD in config.space else seeds


def _describe(configuration: Configuration, folds: bool) -> dict[str, Any]:
    path = FOLD if folds else SEED
    row: dict[str, Any] = {
        "settings": configuration.settings,
        "mean": configuration.mean,
        "deviation": configuration.deviation,
    }
    each = [(_label(t.settings, path), t) for t in configuration.trials]
    return row | {
        "values": {label: t.value for label, t in each},
        "runs": {label: t.run_id for label, t in each},
    }


def _label(settings: Settings, path: str) -> Any:
    """The fold or the seed of a trial; of both, `fold/seed`."""
    both = path == FOLD and SEED in settings
    return f"{settings[FOLD]}/{settings[SEED]}" if both else settings[path]


def find_front(
    trials: Sequence[TrialResult], configurations: Sequence[Configuration], config: SweepConfig
) -> list[int]:
    """Numbers of the trials on the Pareto front, in the order of the trials; with configurations, by
    their means."""
    names = objectives(config)
    groups: list[tuple[list[int], list[float] | None]]
    if configurations:
        groups = [
            (
                [trial.number for trial in one.trials],
                _whole([one.mean, *(one.mean_of(name) for name in config.objectives)]),
            )
            for one in configurations
        ]
    else:
        groups = [([t.number], read_trial(t, config)) for t in trials]
    marks = pareto_front([values for _, values in groups], list(names.values()))
    return [n for (numbers, _), on in zip(groups, marks, strict=True) if on for n in numbers]


def _whole(values: list[float | None]) -> list[float] | None:
    present = [value for value in values if value is not None and not math.isnan(value)]
    return present if len(present) == len(values) else None


def read_trial(trial: TrialResult, config: SweepConfig) -> list[float] | None:
    """A trial's value of each objective; None where it has none."""
    if trial.value is None:
        return None
    return read_values(trial.metrics | {config.metric: trial.value}, config)


def record_front(
    recorder: Recorder,
    run_id: str,
    trials: Sequence[TrialResult],
    front: Sequence[int],
) -> None:
    """Tag the trials of the front, and the sweep with their runs."""
    runs = [trial.run_id for trial in trials if trial.number in front]
    for each in runs:
        recorder.tags(each, {"workbench.pareto": "yes"})
    recorder.tags(run_id, {"workbench.pareto_runs": json.dumps(runs)})
