"""Views of the table of runs that a person saved: filter, kind, order and columns, by name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.home import home_folder

View = dict[str, Any]
"""The values of the controls, by their key."""
MAX_NAME = 60


def _file() -> Path:
    return home_folder() / "views.json"


def read_views() -> dict[str, View]:
    """All views by name, sorted.

    Raises:
        WorkbenchError: the file of the views is damaged.
    """
    try:
        views = json.loads(_file().read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WorkbenchError(
            f"The saved views cannot be read: {_file()} is damaged ({error}). Correct or remove it."
        ) from error
    if not isinstance(views, dict):
        raise WorkbenchError(f"The saved views cannot be read: {_file()} holds no views by name.")
    return {name: view for name, view in sorted(views.items()) if isinstance(view, dict)}


def save_view(name: str, view: View) -> None:
    """Save a view; one of the same name is replaced.

    Raises:
        WorkbenchError: the name is empty or too long, or the file cannot be written.
    """
    if not 0 < len(name) <= MAX_NAME:
        raise WorkbenchError(f"A view's name has 1 to {MAX_NAME} characters, got {name[:80]!r}.")
    _write(read_views() | {name: view})


def remove_view(name: str) -> None:
    """Remove a view; nothing happens if there is none of this name."""
    _write({key: view for key, view in read_views().items() if key != name})


def _write(views: dict[str, View]) -> None:
    file = _file()
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(views, indent=1))
        draft.replace(file)
    except OSError as error:
        raise WorkbenchError(
            f"The view cannot be saved: {file} is not writable ({error.strerror})."
        ) from error
