"""Changes that people make to finished runs: tags, a note, delete, restore, archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tracking.errors import TrackingError
from tracking.run import ARCHIVED, NOTE
from tracking.series import MAX_NAME
from tracking.store import store_uri

_OWN = ("mlflow.", "workbench.")


def set_deleted(run_ids: Sequence[str], deleted: bool, uri: str | None = None) -> None:
    """Delete runs, or restore deleted ones. A deleted run keeps all its data."""
    client = MlflowClient(store_uri(uri))
    change: Callable[[str], None] = client.delete_run if deleted else client.restore_run
    for run_id in run_ids:
        _call(lambda run_id=run_id: change(run_id))  # type: ignore[misc]


def set_archived(run_ids: Sequence[str], archived: bool, uri: str | None = None) -> None:
    """Archive runs, or take them out of the archive. Only a tag changes."""
    client = MlflowClient(store_uri(uri))

    def change(run_id: str) -> None:
        if archived:
            client.set_tag(run_id, ARCHIVED, "yes")
        elif ARCHIVED in client.get_run(run_id).data.tags:
            client.delete_tag(run_id, ARCHIVED)

    for run_id in run_ids:
        _call(lambda run_id=run_id: change(run_id))  # type: ignore[misc]


def set_tag(run_ids: Sequence[str], name: str, value: str, uri: str | None = None) -> None:
    """Tag runs.

    Raises:
        TrackingError: the name is empty, too long, or reserved for programs.
    """
    if not name or len(name) > MAX_NAME or name.startswith(_OWN):
        raise TrackingError(
            f"A tag's name has 1 to {MAX_NAME} characters and does not begin with "
            f"{' or '.join(_OWN)}, which programs write; got {name!r}."
        )
    _tag(run_ids, name, value, uri)


def rename(run_id: str, name: str, uri: str | None = None) -> None:
    """Give a run another name; names need not be unique.

    Raises:
        TrackingError: the name is empty or too long.
    """
    if not 0 < len(name.strip()) <= MAX_NAME:
        raise TrackingError(f"A run's name has 1 to {MAX_NAME} characters, got {name[:300]!r}.")
    client = MlflowClient(store_uri(uri))
    _call(lambda: client.update_run(run_id, name=name.strip()))


def set_note(run_ids: Sequence[str], text: str, uri: str | None = None) -> None:
    """Write a note in Markdown. MLflow's own UI shows and edits it too."""
    _tag(run_ids, NOTE, text, uri)


def _tag(run_ids: Sequence[str], name: str, value: str, uri: str | None) -> None:
    client = MlflowClient(store_uri(uri))
    for run_id in run_ids:
        _call(lambda run_id=run_id: client.set_tag(run_id, name, value))  # type: ignore[misc]


def _call(change: Callable[[], None]) -> None:
    try:
        change()
    except MlflowException as error:
        raise TrackingError(f"The tracking store refused: {error.message}") from error
