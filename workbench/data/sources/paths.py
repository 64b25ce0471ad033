"""The paths of a source's files."""

from __future__ import annotations

import difflib
from pathlib import Path

from workbench.data import downloads
from workbench.errors import DataError


def find_path(text: str, what: str) -> Path:
    """A path that exists, or the path of the downloadable data set of that name.

    Args:
        what: for the message: what the path should be.

    Raises:
        DataError: nothing is there (the message suggests the nearest name), or a data set is not
            downloaded yet and its server does not answer.
    """
    path = Path(text).expanduser()
    if path.exists():
        return path.resolve()
    if text in downloads.DATA_SETS:
        downloads.check_server(text)
        return downloads.locate(text)
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, [*beside, *downloads.DATA_SETS], n=1)
    hint = ""
    if near:
        hint = f" Did you mean {path.parent / near[0] if near[0] in beside else near[0]}?"
    raise DataError(
        f"data.source.path must be {what}, got {text!r}, where there is nothing.{hint} "
        "Set it with --set data.source.path=PATH."
    )


def find_or_download(text: str, what: str, report: downloads.Report | None = None) -> Path:
    """The same; a data set is downloaded first.

    Raises:
        DataError: as `find_path` does, or the download fails.
    """
    if text in downloads.DATA_SETS and not Path(text).exists():
        return downloads.fetch(text, report)
    return find_path(text, what)
