"""Where the UI keeps what is its own: below WORKBENCH_HOME, else `.workbench` here."""

from __future__ import annotations

import os
from pathlib import Path


def folder() -> Path:
    """The folder; it may not exist yet."""
    return Path(os.environ.get("WORKBENCH_HOME") or ".workbench").resolve()
