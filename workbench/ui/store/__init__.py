"""Runs for the pages: cached reads of the tracking store, and the few writes that a person can ask for."""

from __future__ import annotations

from tracking.errors import QueryError, TrackingError
from tracking.query import KINDS, START, Names, Query
from workbench.ui.store._cache import forget, printable_uri, uri
from workbench.ui.store._editing import annotate, rename, set_archived, set_deleted, write_note
from workbench.ui.store._files import artifact, artifact_names, artifact_sizes
from workbench.ui.store._reading import (
    Page,
    children,
    curves,
    every,
    explain,
    history,
    names,
    num_epochs,
    page,
    recent,
    run,
    sparklines,
    values,
)
from workbench.ui.store._run import Points, Run, from_tracking, state_of
from workbench.ui.store._watching import read_stamp, refresh

__all__ = [
    "KINDS",
    "START",
    "Names",
    "Page",
    "Points",
    "Query",
    "QueryError",
    "Run",
    "TrackingError",
    "annotate",
    "artifact",
    "artifact_names",
    "artifact_sizes",
    "children",
    "curves",
    "every",
    "explain",
    "forget",
    "from_tracking",
    "history",
    "names",
    "num_epochs",
    "page",
    "printable_uri",
    "read_stamp",
    "recent",
    "refresh",
    "rename",
    "run",
    "set_archived",
    "set_deleted",
    "sparklines",
    "state_of",
    "uri",
    "values",
    "write_note",
]
