"""Serves the built manual, of an installed package or of a checkout."""

from __future__ import annotations

import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import typer

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "manual", _PACKAGE.parent / "build" / "docs" / "html")
"""Where the manual may be: `make release` puts it into the package, `make docs` beside it."""


def open_manual(port: int) -> ThreadingHTTPServer:
    """A server of the manual's files, for this machine only.

    Raises:
        BadParameter: the manual was not built.
    """
    folder = next((each for each in FOLDERS if (each / "index.html").is_file()), None)
    if folder is None:
        raise typer.BadParameter(
            "The manual was not built here. A released package has it; in a checkout, `make docs` "
            "builds it."
        )
    handler = functools.partial(_QuietHandler, directory=str(folder))
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


class _QuietHandler(SimpleHTTPRequestHandler):
    """Does not print a line for each file."""

    def log_message(self, *_: object) -> None: ...
