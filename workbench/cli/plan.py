"""`workbench plan`: what an experiment takes, before anything starts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.options import Cluster, Debug, ExperimentName, Json, Set, configured

if TYPE_CHECKING:
    from workbench.preflight.capacity import Plan


def plan(
    experiment: ExperimentName,
    set_: Set = None,
    cluster: Cluster = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what an experiment takes of memory and CPUs, and what will not fit; starts nothing.

    Exits with 1 when something will not fit. Memory beside samples and parameters is an estimate.

    **Examples**

    `workbench plan cifar10_cnn`

    `workbench plan digits_cnn --set cluster.num_workers=4 --json`
    """
    from workbench.preflight.capacity import plan as reckon

    found = reckon(configured(experiment, set_, cluster=cluster))
    if json:
        output.print_json(dataclasses.asdict(found))
    else:
        _show(found)
    if found.problems:
        raise typer.Exit(1)


def _show(found: Plan) -> None:
    from workbench.preflight.capacity import in_words

    def size(num_bytes: int | None) -> str:
        return "not known yet" if num_bytes is None else in_words(num_bytes)

    rows = "not known yet" if found.rows is None else f"{found.rows:,}"
    each = "" if found.row_bytes is None else f" of {found.row_bytes:,} bytes"
    net = "not known yet"
    if found.parameters is not None:
        net = f"{found.parameters:,} parameters, {size(found.weights_bytes)}"
    trials = "as many as the cluster has room for"
    if found.trials_at_once is not None:
        trials = str(found.trials_at_once)
    told = {
        "where": found.where,
        "rows": rows + each,
        "data": f"{size(found.data_bytes)}, {found.data}",
        "net": net,
        "optimizer, gradients": size(found.optimizer_bytes),
        f"a batch of {found.batch_size}": size(found.activations_bytes),
        "a worker": f"{size(found.worker_bytes)}, {found.workers} in each training",
        "an executor": f"{size(found.executor_bytes)}, {found.executors} of them",
        "trainings at once": trials,
        "all together": size(found.total_bytes),
    }
    out = output.out()
    out.print(Text(found.experiment, "bold"))
    out.print(output.pairs(told))
    for note in found.notes:
        out.print(Text(note, "dim"), soft_wrap=True)
    for problem in found.problems:
        out.print(Text("Will not fit: ", "bold red") + Text(problem), soft_wrap=True)
    if not found.problems:
        out.print("Nothing stands against it.")
