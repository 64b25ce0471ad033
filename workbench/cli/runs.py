"""`workbench runs`, `compare` and `export`: list runs, compare them, write a model to files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output
from workbench.cli.options import Debug, Json

if TYPE_CHECKING:
    from tracking import Run


def list_runs(
    experiment: Annotated[
        str | None, typer.Argument(help="Only the runs of this experiment", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of the latest")] = 20,
    trials: Annotated[
        bool, typer.Option("--trials", help="Also list the trials of sweeps")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the latest runs, with the best and the last value of each one's metric.

    **Examples**

    `workbench runs`

    `workbench runs digits_cnn --trials -n 50`

    `workbench runs --json`
    """
    from tracking import Reader

    kinds = ("train", "sweep", "trial") if trials else ("train", "sweep")
    latest = Reader().runs(experiment=experiment, kinds=kinds, limit=limit)
    if json:
        output.print_json([_as_json(run) for run in latest])
        return
    if not latest:
        output.out().print("No runs yet. Start one: workbench train digits_cnn")
        return
    table = output.plain_table(
        "run", "experiment", "name", "status", "metric", "best", "last", "started"
    )
    for run in latest:
        metric = _main_metric(run)
        table.add_row(
            run.run_id[:8],
            run.experiment,
            run.name,
            run.tags.get("workbench.stopped", run.status.lower()),
            metric,
            _number(run.metrics.get(f"best/{metric}", run.metrics.get(metric))),
            _number(run.metrics.get(metric)),
            _time(run.start),
        )
    output.out().print(table)


def compare_runs(
    run: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Run ids, their first letters, or latest"),
    ],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how runs differ: in their settings, then in their metrics.

    **Examples**

    `workbench compare 0123abcd 4567cdef`

    `workbench compare latest 4567cdef --json`
    """
    from tracking import Reader, find_differences

    if len(run) < 2:
        raise typer.BadParameter(f"name at least two runs, got {len(run)}.")
    reader = Reader()
    chosen = [reader.run(name) for name in run]
    settings = find_differences(chosen)
    names = sorted({n for r in chosen for n in r.metrics if not n.startswith("health/")})
    metrics = {name: [r.metrics.get(name) for r in chosen] for name in names}
    if json:
        runs_json = [_as_json(r) for r in chosen]
        output.print_json({"runs": runs_json, "settings": settings, "metrics": metrics})
        return
    heads = [f"{r.run_id[:8]} {r.name}" for r in chosen]
    table = output.plain_table("setting", *heads)
    for name, values in settings.items():
        table.add_row(name, *(value or "-" for value in values))
    if not settings:
        table.add_row("all the same", *("" for _ in chosen))
    output.out().print(table)
    output.out().print()
    table = output.plain_table("metric", *heads, right=tuple(heads))
    for name, numbers in metrics.items():
        table.add_row(name, *(_number(value) for value in numbers))
    output.out().print(table)


def export_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, its first letters, or latest")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty folder", show_default=False)
    ],
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write model.onnx")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a run's model as files that load with no Ray, Spark or MLflow.

    `model.safetensors` has the weights, `model.json` the net's settings, `experiment.json` all
    settings of the training. For a sweep, it writes the model of the best trial.

    **Examples**

    `workbench export 0123abcd exported --onnx`

    `python -c "import nets; net = nets.load('exported')"` reads it back.
    """
    from tracking import Reader
    from workbench.export import export as write

    reader = Reader()
    chosen = reader.run(run)
    written = write(reader, chosen, directory, onnx=onnx)
    if json:
        output.print_json({"run": written.run_id, "directory": directory, "files": written.files})
        return
    output.out().print(f"Run {written.run_id[:8]} in {directory}: {', '.join(written.files)}")
    output.out().print(f"Read it back: python -c \"import nets; net = nets.load('{directory}')\"")


def _as_json(run: Run) -> dict[str, Any]:
    kept = ("run_id", "name", "experiment", "status", "start", "end", "params", "metrics", "tags")
    return {name: getattr(run, name) for name in kept}


def _main_metric(run: Run) -> str:
    """The metric that the run optimised."""
    named = run.params.get("sweep.metric") or run.params.get("training.monitor")
    return named or "validation/accuracy"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
