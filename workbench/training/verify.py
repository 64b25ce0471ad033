"""Trains a run again from its record and compares the two."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nets import ConfigError
from nets.config import from_dict
from nets.custom import custom_parts
from tracking import ArtifactError, MemoryRecorder, Reader, Run
from workbench.cluster import Session
from workbench.experiments.changes import override
from workbench.experiments.experiment import Experiment
from workbench.progress import Progress
from workbench.training.differences import Comparison, compare
from workbench.training.driver import train
from workbench.training.facts import Facts, read_facts
from workbench.training.idle import check_idle_changes
from workbench.training.own_parts import load_own_parts


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A run that can be trained again."""

    run: Run
    """Of a sweep, the best trial's."""
    experiment: Experiment
    """What it trained; of a trial with the trial's settings."""
    facts: Facts


def read_recorded(reader: Reader, run: Run, *, trust_code: bool = False) -> Recorded:
    """What a run trained, and what came of it.

    Args:
        trust_code: the code of a person's own parts, which the run keeps, may run here.

    Raises:
        UntrustedCodeError: the run has such parts, and nobody allowed their code.
        ConfigError: the run still runs, has no losses, trained on a DataFrame of a program, or its
            record cannot be read.
    """
    if best := run.tags.get("workbench.best_run"):
        run = reader.run(best)
    short = run.run_id[:8]
    if run.status == "RUNNING":
        raise ConfigError(f"Run {short} is still running. Verify it when it has ended.")
    if run.kind not in ("train", "trial"):
        raise ConfigError(
            f"Only a training, or a trial of a sweep, can be trained again, and run {short} is a "
            f"{run.kind or 'run of another program'} without a best trial. `workbench runs --trials` "
            "lists them."
        )
    experiment = _read_experiment(reader, run)
    if custom_parts(experiment):
        owner = run.parent or run.run_id
        load_own_parts(reader, owner, experiment, trust_code=trust_code)
        experiment = _read_experiment(reader, run)  # its arguments checked by their types
    if experiment.data.source.kind == "dataframe":
        raise ConfigError(
            f"Run {short} trained on a DataFrame of a program, which its record does not hold. It "
            "cannot be trained again from here."
        )
    data = _read_json(reader, run.run_id, "data.json") or {}
    files = _read_json(reader, run.run_id, "code.json")
    if files is None and run.parent:
        files = _read_json(reader, run.parent, "code.json")
    facts = read_facts(run, experiment, data, files or {}, reader.history(run.run_id))
    if not facts["losses"]:
        raise ConfigError(
            f"Run {short} ({run.status.lower()}) has no epoch with a loss: there is nothing to compare."
        )
    return Recorded(run=run, experiment=experiment, facts=facts)


def verify(
    recorded: Recorded,
    *,
    changes: Mapping[str, Any] | None = None,
    session: Session | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train again and compare. The second training is not written to the store.

    Args:
        changes: settings by path that the second training has instead, such as where the data lies.

    Raises:
        ConfigError, DataError, ClusterError, TrainingError: as `train` does.
    """
    experiment = override(recorded.experiment, changes or {})
    check_idle_changes(experiment, changes or {})
    recorder = MemoryRecorder()
    result = train(experiment, session=session, recorder=recorder, progress=progress, recorded=True)
    again = recorder.runs[result.run_id]
    history = {name: sorted(points.items()) for name, points in again.history.items()}
    data, files = (recorder.read_dict(result.run_id, name) for name in ("data.json", "code.json"))
    return compare(recorded.facts, read_facts(again.run, experiment, data, files, history))


def _read_experiment(reader: Reader, run: Run) -> Experiment:
    """The recorded experiment; a trial has its sweep's, with the settings of its own."""
    owner = run.parent or run.run_id
    tree = _read_json(reader, owner, "experiment.json")
    if tree is None:
        raise ConfigError(
            f"Run {owner[:8]} has no experiment.json, so that nobody knows what to train again."
        )
    try:
        experiment = from_dict(Experiment, tree)
        settings = json.loads(run.tags.get("workbench.settings", "{}"))
        return override(experiment, settings)
    except ConfigError as error:
        raise ConfigError(
            f"The settings of run {run.run_id[:8]} cannot be read by this version of the workbench: "
            f"{error} Use the version in the run's tag workbench.versions."
        ) from error


def _read_json(reader: Reader, run_id: str, path: str) -> dict[str, Any] | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            file = reader.download(run_id, path, Path(folder))
        except ArtifactError:
            return None
        return dict(json.loads(file.read_text()))
