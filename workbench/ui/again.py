"""Launching from a run: its experiment as a file of the workbench's own, to train or sweep again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.home import home_folder
from workbench.ui import repeat


def saved(run_id: str, told: Mapping[str, Any]) -> str:
    """Write the run's experiment below the workbench's folder; what `workbench train` calls it."""
    name = f"run_{run_id[:8]}.py"
    file = home_folder() / "experiments" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    text = repeat.as_file(run_id, name, told)
    if not file.is_file() or file.read_text() != text:
        file.write_text(text)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{shown}:again"
