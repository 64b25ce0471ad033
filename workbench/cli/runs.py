"""`workbench runs`, `compare` and `export`: list runs, compare them, write a model to files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import output
from workbench.cli.baselines import describe_best, describe_worse, list_baselines, read_measured
from workbench.cli.options import Debug, Json, TrustCode

if TYPE_CHECKING:
    from rich.table import Table

    from tracking import Run

_USED = "workbench.used."
"""How tags begin that say what a training really used."""


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

    `test` is the result on the test rows, `baseline` the best answer without a net on the same rows,
    `rows` their number. Where trials of a sweep share its best value, their number is shown.

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
    output.out().print(_table_of_runs(latest))


def _table_of_runs(runs: Sequence[Run]) -> Table:
    """One run a line; without the columns of baselines where no run has one."""
    measured = [describe_best(run.metrics) for run in runs]
    more = ("test", "baseline", "rows") if any(measured) else ()
    heads = ("run", "experiment", "name", "status", "metric", "best", "last")
    table = output.plain_table(*heads, *more, "started")
    for run, texts in zip(runs, measured, strict=True):
        metric = _main_metric(run)
        table.add_row(
            run.run_id[:8],
            run.experiment,
            run.name,
            run.tags.get("workbench.stopped", run.status.lower()),
            metric,
            _number(_best_value(run)) + _tied_trials(run),
            _number(run.metrics.get(metric)),
            *((texts or ("-", "-", "-")) if more else ()),
            _time(run.start),
        )
    return table


def compare_runs(
    run: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Run ids, their first letters, or latest"),
    ],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how runs differ: in their settings, in their metrics, and from their baselines.

    `really used` lists what an automatic choice or another machine made different, such as the
    precision.

    Baselines are what answers without a net reach on the same rows. Runs with the same value are said
    to tie.

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
    used = find_differences(chosen, tags=_USED)
    names = sorted({n for r in chosen for n in r.metrics if not n.startswith("health/")})
    metrics = {name: [r.metrics.get(name) for r in chosen] for name in names}
    baselines = [list_baselines(r.metrics) for r in chosen]
    remarks = list(_list_remarks(chosen))
    if json:
        runs_json = [_as_json(r) for r in chosen]
        found = {"settings": settings, "used": used, "metrics": metrics, "remarks": remarks}
        output.print_json({"runs": runs_json, **found})
        return
    heads = [f"{r.run_id[:8]} {r.name}" for r in chosen]
    table = output.plain_table("setting", *heads)
    for name, values in settings.items():
        table.add_row(name, *(value or "-" for value in values))
    if not settings:
        table.add_row("all the same", *("" for _ in chosen))
    output.out().print(table)
    output.out().print()
    if used:
        table = output.plain_table("really used", *heads)
        for name, values in used.items():
            table.add_row(name.removeprefix(_USED), *(value or "-" for value in values))
        output.out().print(table)
        output.out().print()
    table = output.plain_table("metric", *heads, right=tuple(heads))
    for name, numbers in metrics.items():
        if not name.startswith("baseline/"):
            table.add_row(name, *(_number(value) for value in numbers))
    output.out().print(table)
    if any(baselines):
        output.out().print()
        table = output.plain_table("beside answers without a net", *heads, right=tuple(heads))
        for name in dict.fromkeys(name for texts in baselines for name in texts):
            table.add_row(name, *(texts.get(name, "-") for texts in baselines))
        output.out().print(table)
    if remarks:
        output.out().print()
    for remark in remarks:
        output.out().print(remark, soft_wrap=True)


def _list_remarks(runs: Sequence[Run]) -> Iterator[str]:
    """Sentences on ties, on runs that are no better than a baseline, and on different rows."""
    values: dict[tuple[str, float, int | None], list[str]] = {}
    for run in runs:
        best, metric = _best_value(run), _main_metric(run)
        if best is not None:
            values.setdefault((metric, best, None), []).append(run.run_id[:8])
        for one in read_measured(run.metrics):
            values.setdefault((one.metric, one.value, one.rows), []).append(run.run_id[:8])
    for (metric, value, rows), tied in values.items():
        if len(tied) > 1:
            on = "" if rows is None else f" on {rows:,} rows"
            yield f"{', '.join(tied)} tie at {metric} {_number(value)}{on}."
    yield from _list_alike(runs)
    for run in runs:
        if sentence := describe_worse(run.metrics):
            yield f"{run.run_id[:8]}: {sentence}"
    rows_of = {run.run_id[:8]: run.metrics.get("baseline/rows") for run in runs}
    if len(counts := {rows for rows in rows_of.values() if rows is not None}) > 1:
        numbers = ", ".join(f"{rows:,.0f}" for rows in sorted(counts))
        yield f"The results are of different rows ({numbers}) and cannot be compared directly."


def _list_alike(runs: Sequence[Run]) -> Iterator[str]:
    """Sentences on accuracies whose differences are no more than chance explains."""
    measured = [
        (run.run_id[:8], one)
        for run in runs
        for one in read_measured(run.metrics)
        if one.unit == "accuracy" and one.rows
    ]
    if len(measured) < 2:
        return
    from workbench.training.verdicts import are_alike  # loads NumPy

    for (name, one), (other_name, other) in itertools.combinations(measured[:10], 2):
        if one.rows != other.rows or one.value == other.value:
            continue
        if are_alike(one.value, other.value, one.rows or 0):
            yield (
                f"{name} and {other_name} cannot be told apart on {one.rows:,} rows: "
                f"{_number(one.value)} and {_number(other.value)}."
            )


def export_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, its first letters, or latest")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty folder", show_default=False)
    ],
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write model.onnx")] = False,
    trust_code: TrustCode = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a run's model as files that load with no Ray, Spark or MLflow.

    `model.safetensors` has the weights, `model.json` the net's settings, `experiment.json` all
    settings of the training. For a sweep, it writes the model of the best trial. A net of a person's own
    brings its files, in `code/`.

    **Examples**

    `workbench export 0123abcd exported --onnx`

    `python -c "import nets; net = nets.load('exported')"` reads it back.
    """
    from tracking import Reader
    from workbench.export import export as write

    reader = Reader()
    chosen = reader.run(run)
    written = write(reader, chosen, directory, onnx=onnx, trust_code=trust_code)
    if json:
        output.print_json({"run": written.run_id, "directory": directory, "files": written.files})
        return
    output.out().print(f"Run {written.run_id[:8]} in {directory}: {', '.join(written.files)}")
    trusted = ", trust_code=True" if any(n.startswith("code/") for n in written.files) else ""
    load = f"nets.load('{directory}'{trusted})"
    output.out().print(f'Read it back: python -c "import nets; net = {load}"')


def _as_json(run: Run) -> dict[str, Any]:
    kept = ("run_id", "name", "experiment", "status", "start", "end", "params", "metrics", "tags")
    return {name: getattr(run, name) for name in kept}


def _main_metric(run: Run) -> str:
    """The metric that the run optimised."""
    named = run.params.get("sweep.metric") or run.params.get("training.monitor")
    return named or "validation/accuracy"


def _best_value(run: Run) -> float | None:
    metric = _main_metric(run)
    return run.metrics.get(f"best/{metric}", run.metrics.get(metric))


def _tied_trials(run: Run) -> str:
    """How many trials of a sweep share the best value; empty where one is better."""
    tied = run.tags.get("workbench.tied_trials", "1")
    return "" if tied == "1" else f" ({tied} tie)"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
