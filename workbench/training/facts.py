"""What a run's record says of how it was made, in one form for every store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nets.config import flatten
from tracking import Run
from workbench.data.sources.dataframe import NUMBERED_ANEW
from workbench.experiments.experiment import Experiment
from workbench.training.provenance import without_passwords

Facts = dict[str, Any]
"""The record of a run, or what is compared of it:

settings   path to value: of the net, the training, the preparation and the data
code       folder to digest of its files
files      file to digest, of the code; may be that of another run of the same sweep
commit     of the working directory, or None
packages   name to version
data       content (hash of all rows), rows of each split
order      digest of the first epochs' order, or None
used       device, machine, threads, precision, workers, batch_size, steps_per_epoch, parameters
losses     metric to epoch to value; test/loss under the last epoch
"""

_SETTINGS = ("net.", "training.", "preparation.", "data.")
USED = "workbench.used."


def read_facts(
    run: Run,
    experiment: Experiment,
    data: Mapping[str, Any],
    files: Mapping[str, str],
    history: Mapping[str, Sequence[tuple[int, float]]],
) -> Facts:
    """The facts of a run.

    Args:
        experiment: what it trained; of a trial with the trial's settings.
        data: its `data.json`; {} where it has none.
        files: its `code.json`, or its sweep's; {} where there is none.
        history: metric to (step, value) points, sorted by step.
    """
    settings = without_passwords(flatten(experiment))
    used = {
        name.removeprefix(USED): value for name, value in run.tags.items() if name.startswith(USED)
    }
    content = run.tags.get("workbench.content") or data.get("content")
    return {
        "settings": {
            path: value
            for path, value in settings.items()
            if path.startswith(_SETTINGS) and path not in NUMBERED_ANEW
        },
        "code": json.loads(run.tags.get("workbench.code", "{}")),
        "files": dict(files),
        "commit": run.tags.get("workbench.commit"),
        "packages": json.loads(run.tags.get("workbench.versions", "{}")),
        "data": {} if content is None else {"content": content},
        "order": run.tags.get("workbench.order"),
        "used": {"workers": str(experiment.cluster.num_workers), **used},
        "losses": _read_losses(history),
    }


def _read_losses(
    history: Mapping[str, Sequence[tuple[int, float]]],
) -> dict[str, dict[int, float]]:
    names = ("train/loss", "validation/loss")
    losses = {name: dict(history[name]) for name in names if history.get(name)}
    if losses and history.get("test/loss"):
        last = max(max(points) for points in losses.values())
        losses["test/loss"] = {last: history["test/loss"][-1][1]}
    return losses
