"""The home folder: where runs, logs and whatever else belongs to this user's work is kept."""

from __future__ import annotations

import os
from pathlib import Path


def home_folder() -> Path:
    """WORKBENCH_HOME, else (also where it is empty) `.workbench` in the current folder.

    An absolute path. The folder may not exist yet. Read anew at each call: a program may set the
    variable, or change its folder, after this module was imported.
    """
    return Path(os.environ.get("WORKBENCH_HOME") or ".workbench").resolve()
