"""The files of runs, copied to this disk when they are read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import streamlit as st

from tracking.errors import ArtifactError, TrackingError
from tracking.recorder import check_path
from workbench.ui.store._cache import uri
from workbench.ui.store._reading import is_id, open_reader

# Copying a file of a kilobyte is no reason for a progress bar in the UI's log
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@st.cache_data(ttl=3, max_entries=500, show_spinner=False)
def _artifact_sizes(address: str, run_id: str, folder: str) -> dict[str, int | None]:
    try:
        return open_reader(address).artifact_sizes(run_id, folder)
    except Exception:  # the store behind the artifacts may raise anything of its own
        return {}


def artifact_sizes(run_id: str, folder: str = "") -> dict[str, int | None]:
    """The run's files below a folder: path to bytes; None where the store does not say."""
    return _artifact_sizes(uri(), run_id, folder) if is_id(run_id) else {}


def artifact_names(run_id: str, folder: str = "") -> list[str]:
    """Paths of the run's files below a folder."""
    return list(artifact_sizes(run_id, folder))


@st.cache_resource(show_spinner=False)
def _downloads() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="workbench-ui-")


_listed: set[tuple[str, str, str]] = set()
"""Store, run and path of files that were listed. They stay, and MLflow takes 30 ms to list a run's."""


def artifact(run_id: str, path: str) -> Path | None:
    """A file of a run on this disk; None where the run lists none of that name."""
    file = (uri(), run_id, path)
    if file not in _listed and path not in artifact_names(run_id, path.rpartition("/")[0]):
        return None
    _listed.add(file)
    return _artifact(*file)


@st.cache_data(max_entries=2000, show_spinner=False)
def _artifact(address: str, run_id: str, path: str) -> Path | None:
    try:
        # MLflow puts one file into the folder itself, without its own: a net's code lies in a folder
        target = (Path(_downloads().name) / run_id / check_path(path)).parent
        target.mkdir(parents=True, exist_ok=True)
        return open_reader(address).download(run_id, path, target)
    except (ArtifactError, TrackingError, OSError):
        return None
