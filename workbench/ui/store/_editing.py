"""The few writes that a person can ask for."""

from __future__ import annotations

from collections.abc import Sequence

from tracking import edit
from workbench.ui.store._cache import forget, uri
from workbench.ui.store._reading import children
from workbench.ui.store._run import Run


def set_deleted(run_ids: Sequence[str], deleted: bool) -> None:
    """Delete runs (they can be restored), or restore them."""
    edit.set_deleted(run_ids, deleted, uri())
    forget()


def set_archived(runs: Sequence[Run], archived: bool) -> None:
    """Archive runs, or take them back; with a sweep go its trials."""
    ids = [run.id for run in runs]
    ids += [trial.id for run in runs if run.kind == "sweep" for trial in children(run.id)]
    edit.set_archived(list(dict.fromkeys(ids)), archived, uri())
    forget()


def annotate(run_ids: Sequence[str], tag: str, value: str, note: str) -> None:
    """Set a tag and a note, each where it is not empty.

    Raises:
        TrackingError: the tag is one that programs write.
    """
    if tag:
        edit.set_tag(run_ids, tag, value, uri())
    if note:
        edit.set_note(run_ids, note, uri())
    forget()


def rename(run_id: str, name: str) -> None:
    """Give a run another name.

    Raises:
        TrackingError: the name is empty or too long.
    """
    edit.rename(run_id, name, uri())
    forget()


def write_note(run_id: str, note: str) -> None:
    """Replace a run's note, also by an empty one."""
    edit.set_note([run_id], note, uri())
    forget()
