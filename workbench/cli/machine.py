"""`workbench experiments`, `doctor`, `mlflow` and `ui`."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from workbench.cli import output
from workbench.cli.options import Cluster, Debug, Json, configured

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def experiments(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[EXPERIMENT]", help="Show all settings of this one"),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the experiments that ship, or all settings of one with what they mean.

    **Examples**

    `workbench experiments`

    `workbench experiments digits_cnn`

    `workbench experiments my_experiment.py:wide --json`
    """
    from nets.config import to_dict
    from workbench.experiments import load_experiment, names

    if name is not None:
        if json:
            output.print_json(to_dict(configured(name)))
        else:
            _show_settings(name)
        return
    found = {each: load_experiment(each) for each in names()}
    if json:
        output.print_json({each: to_dict(experiment) for each, experiment in found.items()})
        return
    table = output.plain_table("experiment", "what it is", "searched by a sweep")
    for each, experiment in found.items():
        table.add_row(Text(each, "bold"), experiment.description, ", ".join(experiment.sweep.space))
    output.out().print(table)


def _show_settings(name: str) -> None:
    from workbench.experiments import settings

    table = output.plain_table("setting", "value", "meaning")
    for setting in settings(configured(name)):
        table.add_row(Text(setting.path, "bold"), Text(_short(setting.value)), setting.meaning)
    output.out().print(table)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def doctor(
    start: Annotated[
        bool, typer.Option("--start", help="Also start Ray and Spark once (half a minute)")
    ] = False,
    cluster: Cluster = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Look at this machine: Java, packages, memory, disk, ports, GPUs, the tracking store.

    With --cluster also at that cluster: whether it answers, and with --start whether its nodes have
    the packages of this machine and run Spark. Exits with 1 when a check fails, so that a script can
    ask.

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


def mlflow(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 5000,
    debug: Debug = False,
) -> None:
    """Open MLflow's own pages on the recorded runs (Ctrl-C ends it)."""
    from tracking import store_uri

    _free(port)
    output.err().print(f"MLflow: http://127.0.0.1:{port}  (Ctrl-C ends it)")
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # Not an argument: those of a process are shown to every user of the machine
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store_uri()
    _become("mlflow", "server", *options)


def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 8501,
    debug: Debug = False,
) -> None:
    """Open the browser UI: launch and compare runs, look inside the nets (Ctrl-C ends it)."""
    if importlib.util.find_spec("streamlit") is None:
        raise typer.BadParameter(
            "The browser UI needs Streamlit: pip install 'ray-on-spark-workbench[ui]'"
        )
    _free(port)
    output.err().print(f"Workbench: http://127.0.0.1:{port}  (Ctrl-C ends it)")
    page = str(Path(__file__).parents[1] / "ui" / "app.py")
    options = ["--server.address", "127.0.0.1", "--server.port", str(port)]
    _become("streamlit", "run", page, *options, "--server.headless", "true")


def _free(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise typer.BadParameter(
            f"Port {port} cannot be used ({error.strerror}). Choose another: --port {port + 1}"
        ) from None


def _become(module: str, *arguments: str) -> None:
    """Replace this process, so that Ctrl-C and `kill` reach the server itself."""
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
