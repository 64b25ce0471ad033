"""Writing runs to an MLflow store: in batches, in order, each value once."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from tracking import stale
from tracking.errors import RunNotFoundError, TrackingError
from tracking.models import save_model
from tracking.recorder import Status, as_json, as_text, inside
from tracking.run import NAME, PARENT, Run
from tracking.series import BEST, Mode, Series, check_names
from tracking.store import artifact_root, masked, store_uri

T = TypeVar("T")

_FLUSH_METRICS = 500
_FLUSH_S = 1.0
_RETRY_S = 60.0
"""How long a store that does not answer is waited for before a run's end is given up on."""
_MAX_VALUE = 6000
"""Characters of a parameter's value: MLflow's MAX_PARAM_VAL_LENGTH."""
_PER_CALL = {"metrics": 1000, "params": 100, "tags": 100}
"""What the REST interface takes in one call."""


@dataclass
class _Open:
    """A run being written."""

    series: Series
    waiting: list[Metric] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)


class MlflowRecorder:
    """Writes to the store at `uri`, else MLFLOW_TRACKING_URI, else the embedded SQLite file.

    While the store does not answer, metrics wait in memory and are delivered later, in order.

    Raises:
        TrackingError: the store cannot be reached.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = store_uri(uri)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        self._lock = threading.RLock()
        self._runs: dict[str, _Open] = {}
        self._experiments: dict[str, str] = {}
        try:
            if self.uri.startswith("sqlite:///"):
                Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            self.client = MlflowClient(self.uri)
            self.client.search_experiments(max_results=1)
        except Exception as error:
            raise TrackingError(
                f"The tracking store at {masked(self.uri)} cannot be used: {_reason(error)}. Start "
                "it, correct MLFLOW_TRACKING_URI, or unset it for the embedded store."
            ) from error
        stale.close(self.client)

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
        marked = {**tags, NAME: name, **({PARENT: parent} if parent else {})}
        with self._lock:
            experiment_id = self._experiment(experiment)
            run = self._call(lambda: self.client.create_run(experiment_id, tags=marked))
            run_id = str(run.info.run_id)
            self._runs[run_id] = _Open(Series(best))
            short = [Param(key, value[:_MAX_VALUE]) for key, value in texts.items()]
            for some in _chunks(short, _PER_CALL["params"]):
                self._call(partial(self.client.log_batch, run_id, params=some))
        if any(len(value) > _MAX_VALUE for value in texts.values()):
            self.artifact_dict(run_id, "params.json", texts)
        return run_id

    def reopen(self, run_id: str) -> None:
        with self._lock:
            run = self._call(lambda: self.client.get_run(run_id))
            self._call(lambda: self.client.update_run(run_id, status="RUNNING"))
            series = Series()
            for name in run.data.metrics:
                if not name.startswith(BEST):
                    history = self._call(partial(self.client.get_metric_history, run_id, name))
                    series.seen(name, {point.step: point.value for point in history})
            self._runs[run_id] = _Open(series)

    def metrics(self, run_id: str, values: Mapping[str, float], step: int) -> None:
        check_names(values)
        now = int(time.time() * 1000)
        with self._lock:
            opened = self._open(run_id)
            fresh = opened.series.fresh(values, step)
            if not opened.waiting:
                opened.since = time.monotonic()
            opened.waiting += [Metric(name, value, now, step) for name, value in fresh.items()]
            full = len(opened.waiting) >= _FLUSH_METRICS
            if full or time.monotonic() - opened.since > _FLUSH_S:
                self._deliver(run_id, patience_s=0)

    def tags(self, run_id: str, values: Mapping[str, str]) -> None:
        marked = [RunTag(name, str(value)[:_MAX_VALUE]) for name, value in values.items()]
        self._call(lambda: self.client.log_batch(run_id, tags=marked))

    def artifact_dict(self, run_id: str, path: str, data: Mapping[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / inside(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(as_json(data))
            self.artifact_dir(run_id, Path(folder))

    def artifact_dir(self, run_id: str, local: Path, path: str = "") -> None:
        where = inside(path) if path else None
        self._call(lambda: self.client.log_artifacts(run_id, str(local), where))

    def model(
        self, run_id: str, directory: Path, *, example: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            save_model(Path(directory), Path(folder) / "model", example, self.uri)
            self.artifact_dir(run_id, Path(folder) / "model", "model")

    def finish(self, run_id: str, status: Status = "FINISHED") -> None:
        with self._lock:
            if run_id in self._runs:
                self._deliver(run_id, patience_s=_RETRY_S)
            self._call(lambda: self.client.set_terminated(run_id, status))
            self._runs.pop(run_id, None)

    def children(self, run_id: str) -> list[Run]:
        run = self._call(lambda: self.client.get_run(run_id))
        experiment = self.client.get_experiment(run.info.experiment_id)
        found: list[Run] = []
        token = None
        while True:
            page = self._call(
                partial(
                    self.client.search_runs,
                    [run.info.experiment_id],
                    f"tags.`{PARENT}` = '{_plain_id(run_id)}'",
                    ViewType.ACTIVE_ONLY,
                    max_results=1000,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
            )
            found += [as_run(child, experiment.name) for child in page]
            token = page.token
            if not token:
                return found

    def flush(self) -> None:
        with self._lock:
            for run_id in list(self._runs):
                self._deliver(run_id, patience_s=_RETRY_S)

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            found = self._call(lambda: self.client.get_experiment_by_name(name))
            if found is not None and found.lifecycle_stage == "deleted":
                self._call(lambda: self.client.restore_experiment(found.experiment_id))
            self._experiments[name] = (
                found.experiment_id
                if found is not None
                else self._call(
                    lambda: self.client.create_experiment(name, artifact_root(self.uri, name))
                )
            )
        return self._experiments[name]

    def _open(self, run_id: str) -> _Open:
        if run_id not in self._runs:
            # Not begun here, or ended: metrics of its best epoch may still follow.
            self._call(lambda: self.client.get_run(run_id))
            self._runs[run_id] = _Open(Series())
        return self._runs[run_id]

    def _deliver(self, run_id: str, patience_s: float) -> None:
        """Send what waits; on failure it goes on waiting, and after `patience_s` that is an error."""
        opened = self._runs[run_id]
        deadline = time.monotonic() + patience_s
        pause = 0.2
        while opened.waiting:
            some = opened.waiting[: _PER_CALL["metrics"]]
            try:
                self.client.log_batch(run_id, metrics=some)
            except Exception as error:
                opened.since = time.monotonic()
                if patience_s == 0:
                    return
                if time.monotonic() > deadline:
                    raise TrackingError(
                        f"{len(opened.waiting)} metrics of run {run_id} could not be delivered to "
                        f"{masked(self.uri)} within {patience_s:g} s: {_reason(error)}."
                    ) from error
                time.sleep(pause)
                pause = min(pause * 2, 5)
                continue
            del opened.waiting[: len(some)]

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                raise RunNotFoundError(_reason(error)) from None
            raise TrackingError(
                f"The tracking store at {masked(self.uri)} refused: {_reason(error)}"
            ) from error


def as_run(run: Any, experiment: str) -> Run:
    """MLflow's run as ours."""
    info, data = run.info, run.data
    return Run(
        run_id=info.run_id,
        name=info.run_name or "",
        experiment=experiment,
        status=info.status,
        start=None if info.start_time is None else info.start_time / 1000,
        end=None if info.end_time is None else info.end_time / 1000,
        deleted=info.lifecycle_stage == "deleted",
        params=dict(data.params),
        metrics=dict(data.metrics),
        tags=dict(data.tags),
    )


def _plain_id(run_id: str) -> str:
    """A run id fit for a filter.

    Raises:
        RunNotFoundError: it is none.
    """
    if not re.fullmatch(r"[0-9a-zA-Z_-]{1,64}", run_id):
        raise RunNotFoundError(f"There is no run {run_id!r}.")
    return run_id


def _chunks(items: list[Any], size: int) -> list[list[Any]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _reason(error: BaseException) -> str:
    """The first line of an error, without passwords."""
    lines = str(error).strip().splitlines()
    return masked(lines[0] if lines else type(error).__name__)
