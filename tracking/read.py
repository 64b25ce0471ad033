"""Reading runs: lists, one run, the course of its metrics, its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from tracking.errors import ArtifactError, QueryError, RunNotFoundError, TrackingError
from tracking.mlflow_recorder import as_run
from tracking.recorder import inside
from tracking.run import Run
from tracking.store import masked, store_uri

_PREFIX = re.compile(r"[0-9a-f]{4,32}")


class Reader:
    """The runs of the store at `uri`, else MLFLOW_TRACKING_URI, else the embedded SQLite file.

    Raises:
        TrackingError: the store cannot be reached.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = store_uri(uri)
        if self.uri.startswith("sqlite:///"):
            Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        try:
            self.client = MlflowClient(self.uri)
            self._experiments = {
                e.experiment_id: e.name for e in self.client.search_experiments(max_results=1000)
            }
        except Exception as error:
            raise TrackingError(
                f"The tracking store at {masked(self.uri)} cannot be read: "
                f"{masked(str(error).strip().splitlines()[0])}. Start it, correct "
                "MLFLOW_TRACKING_URI, or unset it for the embedded store."
            ) from error

    def runs(
        self,
        *,
        experiment: str | None = None,
        kinds: Sequence[str] = (),
        text: str = "",
        order: str = "attributes.start_time DESC",
        limit: int = 50,
    ) -> list[Run]:
        """The first runs that a filter finds, over all experiments or one.

        Args:
            kinds: of train, sweep, trial; () for all.
            text: MLflow's filter syntax.
            order: MLflow's order syntax, such as "metrics.`best/validation/accuracy` DESC".

        Raises:
            QueryError: the experiment does not exist, or the store does not understand the filter.
        """
        ids = [i for i, name in self._experiments.items() if experiment in (None, name)]
        if not ids and experiment is not None:
            known = ", ".join(sorted(set(self._experiments.values()) - {"Default"})) or "none yet"
            raise QueryError(f"No runs of an experiment {experiment!r}. Known: {known}.")
        parts = [text] if text.strip() else []
        if kinds:
            # The store has no IN for tags: "one of" is "none of the others".
            parts += [
                f"tags.`workbench.kind` != '{kind}'"
                for kind in ("train", "sweep", "trial")
                if kind not in kinds
            ]
        try:
            found = self.client.search_runs(
                ids, " AND ".join(parts), ViewType.ACTIVE_ONLY, max_results=limit, order_by=[order]
            )
        except MlflowException as error:
            raise QueryError(f"The store does not understand the query: {error.message}") from error
        return [as_run(run, self._experiments[run.info.experiment_id]) for run in found]

    def run(self, name: str) -> Run:
        """A run by its id, by the first letters of it (4 or more), or `latest`.

        Raises:
            RunNotFoundError: none, or several, are called so.
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
        found = (
            self.runs(text=f"attributes.run_id LIKE '{name}%'", limit=2) if len(name) < 32 else []
        )
        if len(name) == 32:
            try:
                run = self.client.get_run(name)
                return as_run(run, self._experiments[run.info.experiment_id])
            except (MlflowException, KeyError):
                pass
        if not found:
            raise RunNotFoundError(f"There is no run {name!r}. List them: workbench runs --trials.")
        if len(found) > 1:
            raise RunNotFoundError(f"Several runs begin with {name!r}. Give more letters.")
        return found[0]

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """A metric's value by step."""
        points = self.client.get_metric_history(run_id, metric)
        return {point.step: point.value for point in sorted(points, key=lambda p: p.step)}

    def artifacts(self, run_id: str, folder: str = "") -> list[str]:
        """Paths of the run's files below a folder."""
        found: list[str] = []
        waiting = [folder]
        while waiting:
            for item in self.client.list_artifacts(run_id, waiting.pop() or None):
                (waiting if item.is_dir else found).append(item.path)
        return sorted(found)

    def download(self, run_id: str, path: str, folder: Path) -> Path:
        """Copy one listed file of a run into a folder of this disk.

        Raises:
            ArtifactError: the run lists no such file.
        """
        path = inside(path)
        if path not in self.artifacts(run_id, path.rpartition("/")[0]):
            raise ArtifactError(f"Run {run_id} has no file {path!r}.")
        return Path(self.client.download_artifacts(run_id, path, str(folder)))


def differing(runs: Sequence[Run]) -> dict[str, list[str | None]]:
    """Parameters that are not the same in all runs: name to the value in each (None: not set)."""
    names = sorted({name for run in runs for name in run.params})
    rows = {name: [run.params.get(name) for run in runs] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}
