"""Where a source's files are."""

from __future__ import annotations

import difflib
from pathlib import Path

from workbench.errors import DataError


def existing(text: str, what: str) -> Path:
    """The path, if something is there.

    Raises:
        DataError: nothing is; the nearest name beside it is suggested.
    """
    path = Path(text).expanduser()
    if path.exists():
        return path.resolve()
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    hint = f" Did you mean {path.parent / near[0]}?" if near else ""
    raise DataError(
        f"data.source.path must be {what}, got {text!r}, where there is nothing.{hint} "
        "Set it with --set data.source.path=PATH."
    )
