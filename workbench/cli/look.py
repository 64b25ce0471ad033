"""`workbench runs`, `workbench compare` and `workbench export`: what was done, and taking it away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Debug, Json


def runs(
    experiment: Annotated[
        str | None, typer.Argument(help="Only this experiment's runs", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the latest")] = 20,
    trials: Annotated[
        bool, typer.Option("--trials", help="The trials of sweeps too, not only sweeps")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the latest runs with the best and the last value of their metric.

    **Examples**

    `workbench runs`

    `workbench runs digits_cnn --trials -n 50`

    `workbench runs --json`
    """
    raise NotImplementedError


def compare(
    run: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Run ids, or their first letters")
    ],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what differs between runs: settings, then metrics.

    **Examples**

    `workbench compare 0123abcd 4567cdef`

    `workbench compare latest 4567cdef --json`
    """
    raise NotImplementedError


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, its first letters, or latest")],
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new or empty folder", show_default=False)
    ],
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write model.onnx")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a run's model as files that load with no Ray, Spark or MLflow.

    `model.safetensors` has the weights, `model.json` how to build the net, `experiment.json` how it
    was trained. Of a sweep it is the best trial's model.

    **Examples**

    `workbench export 0123abcd exported --onnx`

    `python -c "import nets; net = nets.load('exported')"` reads it back.
    """
    raise NotImplementedError
