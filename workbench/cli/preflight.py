"""`workbench experiments`, `plan` and `doctor`: what can be known before anything starts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.options import Cluster, Debug, ExperimentName, Json, Set, build_experiment

if TYPE_CHECKING:
    from workbench.preflight.capacity import Plan

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def list_experiments(
    name: Annotated[
        str | None,
        typer.Argument(metavar="EXPERIMENT", help="Show all settings of this experiment"),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the shipped experiments, or explain all settings of one.

    **Examples**

    `workbench experiments`

    `workbench experiments digits_cnn`

    `workbench experiments my_experiment.py:wide --json`
    """
    from nets.config import to_dict
    from nets.errors import ConfigError
    from workbench.experiments import load_experiment, names

    if name is not None:
        if json:
            output.print_json(to_dict(build_experiment(name)))
        else:
            _show_settings(name)
        return
    shipped = {}
    for each in names():
        try:
            shipped[each] = load_experiment(each)
        except ConfigError as error:  # an installed package's: the others are listed
            output.err().print(Text(str(error)))
    if json:
        output.print_json({each: to_dict(experiment) for each, experiment in shipped.items()})
        return
    table = output.plain_table("experiment", "what it is", "searched by a sweep")
    for each, experiment in shipped.items():
        table.add_row(Text(each, "bold"), experiment.description, ", ".join(experiment.sweep.space))
    output.out().print(table)


def _show_settings(name: str) -> None:
    from workbench.experiments import settings

    table = output.plain_table("setting", "value", "meaning")
    for setting in settings(build_experiment(name)):
        table.add_row(Text(setting.path, "bold"), Text(_shorten(setting.value)), setting.meaning)
    output.out().print(table)


def _shorten(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_machine(
    start: Annotated[
        bool, typer.Option("--start", help="Also start Ray and Spark once (half a minute)")
    ] = False,
    cluster: Cluster = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check this machine: Java, packages, memory, disk, ports, GPUs, the tracking store.

    --cluster also checks whether that cluster answers, and --cluster with --start whether its nodes
    have the same packages as this machine and can run Spark. Exits with 1 when a check fails.

    **Examples**

    `workbench doctor`

    `workbench doctor --cluster lab --start`
    """
    from workbench.preflight import Check, diagnose

    checks: list[Check] = []
    out = output.out()
    for check in diagnose(start=start, cluster=cluster):
        checks.append(check)
        if not json:
            mark = Text(f"{check.verdict:<5}", _STYLES[check.verdict])
            out.print(mark + Text(f"{check.name:<15}", "bold") + Text(check.seen), soft_wrap=True)
            if check.advice:
                out.print(Text(f"{'':20}-> {check.advice}", "dim"), soft_wrap=True)
    if json:
        output.print_json(checks)
    failed = [check.name for check in checks if check.verdict == "fail"]
    if failed and not json:
        out.print(Text(f"\n{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}."))
    if failed:
        raise typer.Exit(1)


def show_plan(
    experiment: ExperimentName,
    set_: Set = None,
    cluster: Cluster = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Estimate the memory and CPUs that an experiment needs; starts nothing.

    Exits with 1 when something will not fit. Only samples and parameters are counted exactly.

    **Examples**

    `workbench plan cifar10_cnn`

    `workbench plan digits_cnn --set cluster.num_workers=4 --json`
    """
    from workbench.preflight.capacity import plan as make_plan

    plan = make_plan(build_experiment(experiment, set_, cluster=cluster))
    if json:
        output.print_json(dataclasses.asdict(plan))
    else:
        _print_plan(plan)
    if plan.problems:
        raise typer.Exit(1)


def _print_plan(plan: Plan) -> None:
    from workbench.preflight.capacity import in_words

    def size(num_bytes: int | None) -> str:
        return "unknown" if num_bytes is None else in_words(num_bytes)

    rows = "unknown" if plan.rows is None else f"{plan.rows:,}"
    each = "" if plan.row_bytes is None else f" of {plan.row_bytes:,} bytes"
    net = "unknown"
    if plan.parameters is not None:
        net = f"{plan.parameters:,} parameters, {size(plan.weights_bytes)}"
    trials = "as many as the cluster has room for"
    if plan.trials_at_once is not None:
        trials = str(plan.trials_at_once)
    values = {
        "where": plan.where,
        "rows": rows + each,
        "data": f"{size(plan.data_bytes)}, {plan.data}",
        "net": net,
        "optimizer, gradients": size(plan.optimizer_bytes),
        f"a batch of {plan.batch_size}": size(plan.activations_bytes),
        "a worker": f"{size(plan.worker_bytes)}, {plan.workers} in each training",
        "an executor": f"{size(plan.executor_bytes)}, {plan.executors} of them",
        "trainings at once": trials,
        "all together": size(plan.total_bytes),
    }
    out = output.out()
    out.print(Text(plan.experiment, "bold"))
    out.print(output.pairs(values))
    for note in plan.notes:
        out.print(Text(note, "dim"), soft_wrap=True)
    for problem in plan.problems:
        out.print(Text("Will not fit: ", "bold red") + Text(problem), soft_wrap=True)
    if not plan.problems:
        out.print("Everything fits.")
