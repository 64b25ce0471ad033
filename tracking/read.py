"""Reading runs: lists, one run, its metrics over the steps, its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow.exceptions import MlflowException

from tracking import mlflow_private
from tracking.errors import ArtifactError, QueryError, RunNotFoundError
from tracking.query import START, Curves, Query, Table
from tracking.recorder import check_path
from tracking.retry import refusal
from tracking.run import Run, check_id
from tracking.store import connect, is_database, reason, store_uri

_PREFIX = re.compile(r"[0-9a-f]{4,32}")


def open_table(uri: str | None = None) -> Table:
    """The table of the store at `uri`: by SQL where it is a database, else through MLflow's API.

    Raises:
        TrackingError: the store cannot be reached.
    """
    uri = store_uri(uri)
    if is_database(uri):
        from tracking.database import DatabaseTable

        return DatabaseTable(uri)
    from tracking.served import ServedTable

    return ServedTable(uri)


class Reader:
    """The runs of the store at `uri`, else MLFLOW_TRACKING_URI, else the embedded SQLite file.

    Raises:
        TrackingError: the store cannot be reached.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = store_uri(uri)
        self.client = connect(self.uri)
        self.table = open_table(self.uri)

    def runs(
        self,
        *,
        experiment: str | None = None,
        kinds: Sequence[str] = (),
        text: str = "",
        order: str = START,
        descending: bool = True,
        limit: int = 50,
    ) -> list[Run]:
        """The first runs that match a filter, in all experiments or one.

        Args:
            kinds: of train, sweep, trial; () for all.
            text: MLflow's filter syntax.
            order: see `Query.order`.

        Raises:
            QueryError: the experiment does not exist, or the store does not understand the filter.
        """
        named = () if experiment is None else (experiment,)
        query = Query(
            text=text, kinds=tuple(kinds), experiments=named, order=order, descending=descending
        )
        runs = self.table.page(query, 0, limit).rows
        if not runs and experiment is not None:
            experiments = self.table.names().experiments
            if experiment not in experiments:
                raise QueryError(
                    f"No runs of an experiment {experiment!r}. "
                    f"Known: {', '.join(experiments) or 'none yet'}."
                )
        return runs

    def run(self, name: str) -> Run:
        """A run, deleted ones too, by its id, by the first letters of it (4 or more), or `latest`.

        Raises:
            RunNotFoundError: no run, or several runs, match.
        """
        if name == "latest":
            latest = self.runs(limit=1, kinds=("train", "sweep"))
            if not latest:
                raise RunNotFoundError(
                    "There are no runs yet. Start one: workbench train digits_cnn."
                )
            return latest[0]
        if not _PREFIX.fullmatch(name):
            raise RunNotFoundError(
                f"A run is named by its id, 4 or more of its first letters, or latest, got {name!r}."
            )
        if len(name) == 32:
            whole = self.table.load([name])
            if not whole:
                raise _no_run(name)
            return whole[0]
        runs = self.runs(text=f"attributes.run_id LIKE '{name}%'", limit=2)
        if not runs:
            raise _no_run(name)
        if len(runs) > 1:
            raise RunNotFoundError(f"Several runs begin with {name!r}. Give more letters.")
        return runs[0]

    def history(self, run_id: str) -> Curves:
        """All metrics of a run: (step, value) points, sorted by step."""
        return self.table.history(check_id(run_id))

    def children(self, run_id: str) -> list[Run]:
        """The trials of a sweep, in the order they started."""
        query = Query(parent=check_id(run_id), descending=False)
        runs: list[Run] = []
        while page := self.table.page(query, len(runs), 1000).rows:
            runs += page
        return runs

    def artifacts(self, run_id: str, folder: str = "") -> list[str]:
        """Paths of the run's files below a folder."""
        return list(self.artifact_sizes(run_id, folder))

    def artifact_sizes(self, run_id: str, folder: str = "") -> dict[str, int | None]:
        """The run's files below a folder, sorted: path to bytes; None where the store does not say."""
        files: dict[str, int | None] = {}
        waiting = [check_path(folder) if folder else ""]
        try:
            while waiting:
                for item in self._list(run_id, waiting.pop()):
                    if item.is_dir:
                        waiting.append(item.path)
                    else:
                        files[item.path] = item.file_size
        except MlflowException as error:
            raise refusal(error, self.uri) from error
        except OSError as error:
            raise ArtifactError(f"The files of run {run_id} cannot be listed: {error}.") from error
        return dict(sorted(files.items()))

    def download(self, run_id: str, path: str, folder: Path) -> Path:
        """Copy one listed file of a run into a local folder.

        Raises:
            ArtifactError: the run lists no such file, or it cannot be read.
        """
        path = check_path(path)
        parent = str(PurePosixPath(path).parent)
        if path not in self.artifacts(run_id, "" if parent == "." else parent):
            raise ArtifactError(f"Run {run_id} has no file {path!r}.")
        try:
            return Path(self.client.download_artifacts(run_id, path, str(folder)))
        except (MlflowException, OSError) as error:
            raise ArtifactError(
                f"File {path!r} of run {run_id} cannot be read: {reason(error)}."
            ) from error

    def _list(self, run_id: str, folder: str) -> list[Any]:
        """What is directly in a folder of a run, as MLflow describes files."""
        address = self.table.artifact_uri(check_id(run_id))
        if address is None:
            return list(self.client.list_artifacts(run_id, folder or None))
        return mlflow_private.list_files(address, folder or None, self.uri)


def _no_run(name: str) -> RunNotFoundError:
    return RunNotFoundError(f"There is no run {name!r}. List them: workbench runs --trials.")
