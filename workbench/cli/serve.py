"""`workbench ui`, `workbench mlflow` and `workbench docs`: pages in the browser."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import output
from workbench.cli.options import Debug, TrustCode


def serve_mlflow(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 5000,
    debug: Debug = False,
) -> None:
    """Open MLflow's own pages on the recorded runs (Ctrl-C ends it)."""
    from tracking import store_uri

    _check_port(port)
    output.err().print(f"MLflow: http://127.0.0.1:{port}  (Ctrl-C ends it)")
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # Not an argument, as every user of the machine can read the arguments of a process.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store_uri()
    _run_instead("mlflow", "server", *options)


def serve_ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 8501,
    trust_code: TrustCode = False,
    debug: Debug = False,
) -> None:
    """Open the browser UI: launch and compare runs, look inside the nets (Ctrl-C ends it)."""
    if importlib.util.find_spec("streamlit") is None:
        raise typer.BadParameter(
            "The browser UI needs Streamlit: pip install 'ray-on-spark-workbench[ui]'"
        )
    _check_port(port)
    if trust_code:
        os.environ["WORKBENCH_TRUST_CODE"] = "1"
    output.err().print(f"Workbench: http://127.0.0.1:{port}  (Ctrl-C ends it)")
    page = str(Path(__file__).parents[1] / "ui" / "server.py")
    options = ["--server.address", "127.0.0.1", "--server.port", str(port)]
    _run_instead("streamlit", "run", page, *options, "--server.headless", "true")


def serve_docs(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = 8502,
    debug: Debug = False,
) -> None:
    """Open the manual, its search included; nothing comes from the network (Ctrl-C ends it)."""
    from workbench.cli.manual import open_manual

    _check_port(port)
    server = open_manual(port)
    output.err().print(f"Manual: http://127.0.0.1:{port}  (Ctrl-C ends it)")
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()


def _check_port(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        raise typer.BadParameter(
            f"Port {port} cannot be used ({error.strerror}). Choose another: --port {port + 1}"
        ) from None


def _run_instead(module: str, *arguments: str) -> None:
    """Run a module in place of this process, so that Ctrl-C and `kill` reach it."""
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
