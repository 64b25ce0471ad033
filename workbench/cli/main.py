"""`workbench`: the commands and what they have in common."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

import workbench
from workbench.cli import data, launch, look, machine, plan, resident, score
from workbench.cli.guard import Guarded

app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 a fault, or a failed check · 2 usage or setting · 3 data · "
    "4 Java, Ray or Spark · 5 training · 6 tracking store · 130 interrupted",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"workbench {workbench.__version__}")
        raise typer.Exit


@app.callback()
def _workbench(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    """Deep-learning experiments on data that lives in Spark.

    **Start here**

    `workbench doctor` looks at this machine; `workbench experiments` lists what can be run, and
    `workbench plan digits_cnn` says what one takes.

    `workbench train digits_cnn` trains once; `workbench sweep digits_cnn` searches its settings.

    `workbench up` keeps Ray and Spark up, so that these begin within seconds; `workbench down`
    stops them.

    `--cluster NAME` runs them on a Ray or a Spark cluster that `clusters.toml` names.

    `workbench runs` and `workbench compare` look back; `workbench export` takes a model away;
    `workbench score` predicts with it in Spark.
    """


app.command("train")(launch.train)
app.command("sweep")(launch.sweep)
app.command("plan")(plan.plan)
app.command("up")(resident.up)
app.command("down")(resident.down)
app.command("jobs")(resident.jobs)
app.command("runs")(look.runs)
app.command("compare")(look.compare)
app.command("export")(look.export)
app.command("score")(score.score)
app.add_typer(data.app, name="data")
app.command("experiments")(machine.experiments)
app.command("doctor")(machine.doctor)
app.command("ui")(machine.ui)
app.command("mlflow")(machine.mlflow)


def main() -> None:
    """Entry point of the `workbench` script."""
    # Whatever is running is stopped in order on a plain `kill`, as on Ctrl-C.
    signal.signal(signal.SIGTERM, _terminated)
    app(args=sys.argv[1:], prog_name="workbench")


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
