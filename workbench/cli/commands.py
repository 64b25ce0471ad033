"""`workbench`: all commands."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

import workbench
from workbench.cli import (
    data,
    jobs,
    labels,
    launch,
    learning_rate,
    preflight,
    prepared,
    runs,
    score,
    serve,
    verify,
)
from workbench.cli.errors import CommandGroup

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 a fault of the program, or a failed check · 2 usage or setting · 3 data · "
    "4 Java, Ray or Spark · 5 training · 6 tracking store · 130 interrupted",
)


def _print_version(on: bool) -> None:
    if on:
        typer.echo(f"workbench {workbench.__version__}")
        raise typer.Exit


@app.callback()
def _workbench(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version"),
    ] = False,
) -> None:
    """Deep-learning experiments on data that lives in Spark.

    **Start here**

    `workbench doctor` checks this machine. `workbench experiments` lists the shipped experiments.
    `workbench plan digits_cnn` shows what one needs.

    `workbench train digits_cnn` trains once. `workbench sweep digits_cnn` searches for the best
    settings. `workbench lr-find digits_cnn` suggests a learning rate.

    `workbench up` keeps Ray and Spark running, so that both start within seconds. `workbench down`
    stops them.

    `--cluster NAME` uses a Ray or Spark cluster of `clusters.toml`.

    `workbench runs` and `workbench compare` show past runs. `workbench verify` trains a run again
    and says whether the losses are the same. `workbench export` writes a run's model to files.
    `workbench score` predicts with it in Spark.
    """


app.command("train")(launch.train)
app.command("sweep")(launch.sweep)
app.command("lr-find")(learning_rate.find)
app.command("plan")(preflight.show_plan)
app.command("up")(jobs.start)
app.command("down")(jobs.stop)
app.command("jobs")(jobs.show_jobs)
app.command("runs")(runs.list_runs)
app.command("compare")(runs.compare_runs)
app.command("verify")(verify.verify_run)
app.command("export")(runs.export_run)
app.command("score")(score.predict)
data.app.command("labels")(labels.list_labels)
data.app.command("list")(prepared.list_prepared)
data.app.command("remove")(prepared.remove_prepared)
data.app.command("prune")(prepared.prune_prepared)
app.add_typer(data.app, name="data")
app.command("experiments")(preflight.list_experiments)
app.command("doctor")(preflight.check_machine)
app.command("ui")(serve.serve_ui)
app.command("mlflow")(serve.serve_mlflow)
app.command("docs")(serve.serve_docs)


def main() -> None:
    """Entry point of the `workbench` script."""
    # A plain `kill` stops everything in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    app(args=sys.argv[1:], prog_name="workbench")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
