"""Writing runs to an MLflow store: in batches, in order, each value once."""

from __future__ import annotations

import getpass
import json
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlflow.entities import Metric, Param, ViewType
from mlflow.exceptions import MlflowException

from tracking import stale
from tracking.models import save_model
from tracking.outbox import Outbox
from tracking.read import Reader
from tracking.recorder import Status, as_json, as_text, check_path
from tracking.retry import call_patiently
from tracking.run import NAME, PARENT, Run, check_id, from_mlflow
from tracking.series import Mode, Series, check_names
from tracking.store import artifact_root, connect, store_uri

T = TypeVar("T")

MAX_VALUE = 6000
"""Characters of a parameter's value: MLflow's MAX_PARAM_VAL_LENGTH."""
_MAX_TAG = 8000
_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""With this, MLflow's pages open on runs and charts, not on traces of language models."""
_PARAMS = 100
"""Parameters in one call."""


class MlflowRecorder:
    """Writes to the store at `uri`, else MLFLOW_TRACKING_URI, else the embedded SQLite file.

    A thread sends metrics and tags within `interval_s`, so a training never waits for the store.
    While the store does not answer, they stay in memory. Starting and finishing a run wait for the
    store, at most `patience_s`.

    Raises:
        TrackingError: the store cannot be reached.
    """

    def __init__(
        self, uri: str | None = None, *, interval_s: float = 1.0, patience_s: float = 300.0
    ) -> None:
        self.uri = store_uri(uri)
        self.patience_s = patience_s
        self.client = connect(self.uri)
        self._outbox = Outbox(self.client, self.uri, interval_s=interval_s, patience_s=patience_s)
        self._lock = threading.RLock()
        self._series: dict[str, Series] = {}
        self._adopted: set[str] = set()
        self._experiments: dict[str, str] = {}
        self._call(lambda: stale.close(self.client))

    def start(
        self,
        experiment: str,
        name: str,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        parent: str | None = None,
        best: Mapping[str, Mode] | None = None,
    ) -> str:
        check_names(params)
        texts = as_text(params)
        marked = _usual(tags) | _short(tags) | {NAME: name, **({PARENT: parent} if parent else {})}
        with self._lock:
            experiment_id = self._experiment(experiment)
        created = self._call(lambda: self.client.create_run(experiment_id, tags=marked))
        run_id = str(created.info.run_id)
        with self._lock:
            self._series[run_id] = Series(best)
        short = [Param(key, value[:MAX_VALUE]) for key, value in texts.items()]
        for first in range(0, len(short), _PARAMS):
            some = short[first : first + _PARAMS]
            self._call(partial(self.client.log_batch, run_id, params=some))
        if any(len(value) > MAX_VALUE for value in texts.values()):
            self.artifact_dict(run_id, "params.json", texts)
        return run_id

    def reopen(self, run_id: str) -> None:
        self._adopt(run_id)
        self._call(lambda: self.client.update_run(run_id, status="RUNNING"))

    def metrics(self, run_id: str, values: Mapping[str, float], step: int) -> None:
        check_names(values)
        now = int(time.time() * 1000)
        with self._lock:
            if run_id not in self._series:
                self._adopt(run_id)
            series = self._series[run_id]
            if run_id in self._adopted:
                self._look_up(run_id, series, values)
            new = series.add(values, step)
            if new:
                points = [Metric(name, value, now, step) for name, value in new.items()]
                self._outbox.put(run_id, points)

    def tags(self, run_id: str, values: Mapping[str, str]) -> None:
        if run_id not in self._series:
            self._adopt(run_id)
        self._outbox.put(run_id, tags=_short(values))

    def artifact_dict(self, run_id: str, path: str, data: Mapping[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / check_path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(as_json(data))
            self.artifact_dir(run_id, Path(folder))

    def artifact_dir(self, run_id: str, local: Path, path: str = "") -> None:
        where = check_path(path) if path else None
        self._call(lambda: self.client.log_artifacts(run_id, str(local), where))

    def model(
        self,
        run_id: str,
        directory: Path,
        *,
        example: Mapping[str, Sequence[Any]] | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            save_model(Path(directory), Path(folder) / "model", example=example, labels=labels)
            self.artifact_dir(run_id, Path(folder) / "model", "model")

    def finish(self, run_id: str, status: Status = "FINISHED") -> None:
        self._outbox.flush(run_id)
        self._call(lambda: self.client.set_terminated(run_id, status))
        with self._lock:
            self._series.pop(run_id, None)
            self._adopted.discard(run_id)

    def children(self, run_id: str) -> list[Run]:
        self.flush()
        parent = self._call(lambda: self.client.get_run(check_id(run_id)))
        experiment = self.client.get_experiment(parent.info.experiment_id)
        runs: list[Run] = []
        token = None
        while True:
            page = self._call(
                partial(
                    self.client.search_runs,
                    [parent.info.experiment_id],
                    f"tags.`{PARENT}` = '{run_id}'",
                    ViewType.ACTIVE_ONLY,
                    max_results=1000,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
            )
            runs += [from_mlflow(child, experiment.name) for child in page]
            token = page.token
            if not token:
                return runs

    def find(self, name: str) -> Run:
        self.flush()
        return Reader(self.uri).run(name)

    def read_dict(self, run_id: str, path: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            file = Reader(self.uri).download(run_id, path, Path(folder))
            return dict(json.loads(file.read_text()))

    def flush(self) -> None:
        self._outbox.flush()

    def close(self) -> None:
        """Send what is left and end the thread. Nothing can be recorded afterwards."""
        self._outbox.close()

    def _experiment(self, name: str) -> str:
        """The id of an experiment, which is created or restored where needed."""
        if name not in self._experiments:
            experiment = self._call(lambda: self.client.get_experiment_by_name(name))
            if experiment is None:
                self._experiments[name] = self._call(lambda: self._create(name))
            else:
                if experiment.lifecycle_stage == "deleted":
                    self._call(lambda: self.client.restore_experiment(experiment.experiment_id))
                self._experiments[name] = experiment.experiment_id
        return self._experiments[name]

    def _create(self, name: str) -> str:
        try:
            root = artifact_root(self.uri, name)
            return str(self.client.create_experiment(name, root, tags=_KIND))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self.client.get_experiment_by_name(name).experiment_id)

    def _adopt(self, run_id: str) -> None:
        """Continue a run that another recorder began, or that ended."""
        self._call(lambda: self.client.get_run(check_id(run_id)))
        with self._lock:
            if run_id not in self._series:
                self._series[run_id] = Series()
                self._adopted.add(run_id)

    def _look_up(self, run_id: str, series: Series, names: Mapping[str, float]) -> None:
        """Read which steps an adopted run has, for each metric when it is first written."""
        for name in names:
            if name not in series:
                history = self._call(partial(self.client.get_metric_history, run_id, name))
                series.add_history(name, {point.step: point.value for point in history})

    def _call(self, call: Callable[[], T]) -> T:
        return call_patiently(call, self.uri, self.patience_s)


def _usual(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags for the columns User, Source and Version of MLflow's own pages."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        user = ""
    commit = tags.get("workbench.commit", "").removesuffix("-dirty")
    return {
        "mlflow.source.name": "workbench",
        "mlflow.source.type": "LOCAL",
        **({"mlflow.user": user} if user else {}),
        **({"mlflow.source.git.commit": commit} if commit else {}),
    }


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: str(value)[:_MAX_TAG] for name, value in tags.items()}
