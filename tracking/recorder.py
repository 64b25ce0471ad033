"""The interface for writing runs, and a recorder that keeps them in memory."""

from __future__ import annotations

import json
import math
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

from tracking.errors import ArtifactError, RunNotFoundError, TrackingError
from tracking.run import PARENT, Run
from tracking.series import Mode, Series, check_names

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Recorder(Protocol):
    """Writes runs. Several threads may call it; calls for one run take effect in order."""

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
        """Begin a run and return its id.

        Args:
            params: dotted path to value; written as text.
            parent: id of the sweep's run that it belongs to.
            best: metric to `max` or `min`: which value is recorded as `best/<metric>`. Not needed
                for accuracies and losses (`series.direction`).
        """
        ...

    def reopen(self, run_id: str) -> None:
        """Continue a run that ended: its status is RUNNING again, its steps are kept."""
        ...

    def metrics(self, run_id: str, values: Mapping[str, float], step: int) -> None:
        """Record values at a step. A second value of a metric for the same step is dropped: it comes
        from a worker that was restarted."""
        ...

    def tags(self, run_id: str, values: Mapping[str, str]) -> None:
        """Set or replace tags."""
        ...

    def artifact_dict(self, run_id: str, path: str, data: Mapping[str, Any]) -> None:
        """Write `data` as JSON to the run's file `path`."""
        ...

    def artifact_dir(self, run_id: str, local: Path, path: str = "") -> None:
        """Copy all files below a folder into the run's folder `path`."""
        ...

    def model(
        self,
        run_id: str,
        directory: Path,
        *,
        example: Mapping[str, Sequence[Any]] | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Record what `nets.save` wrote as the run's model, below `model/`.

        Args:
            example: some rows as the model takes them, column name to values.
            labels: names of the classes, for a model that predicts classes.
        """
        ...

    def finish(self, run_id: str, status: Status = "FINISHED") -> None:
        """Set the final status, after everything recorded so far is stored."""
        ...

    def children(self, run_id: str) -> list[Run]:
        """The runs whose parent is this run, in the order they started."""
        ...

    def find(self, name: str) -> Run:
        """A run by its id, or by the first letters of it (4 or more).

        Raises:
            RunNotFoundError: no run, or several runs, match.
        """
        ...

    def read_dict(self, run_id: str, path: str) -> dict[str, Any]:
        """What `artifact_dict` wrote.

        Raises:
            ArtifactError: the run has no such file.
        """
        ...

    def flush(self) -> None:
        """Return when everything recorded so far is stored."""
        ...


@dataclass
class MemoryRun:
    """A run in memory."""

    run: Run
    series: Series
    history: dict[str, dict[int, float]] = field(default_factory=dict)
    """Metric to step to value."""
    artifacts: dict[str, bytes] = field(default_factory=dict)
    """Relative path to content."""


class MemoryRecorder:
    """Keeps runs in a dictionary: for tests, and for trainings that need no record."""

    def __init__(self) -> None:
        self.runs: dict[str, MemoryRun] = {}
        self._lock = threading.RLock()

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
        run_id = uuid.uuid4().hex
        run = Run(
            run_id=run_id,
            name=name,
            experiment=experiment,
            status="RUNNING",
            start=time.time(),
            params=as_text(params),
            tags={**tags, **({PARENT: parent} if parent else {})},
        )
        with self._lock:
            self.runs[run_id] = MemoryRun(run, Series(best))
        return run_id

    def reopen(self, run_id: str) -> None:
        self._replace(run_id, status="RUNNING", end=None)

    def metrics(self, run_id: str, values: Mapping[str, float], step: int) -> None:
        check_names(values)
        with self._lock:
            recorded = self._find(run_id)
            for name, value in recorded.series.add(values, step).items():
                recorded.history.setdefault(name, {})[step] = value
            latest = {name: steps[max(steps)] for name, steps in recorded.history.items()}
            numbers = {name: value for name, value in latest.items() if not math.isnan(value)}
            self._replace(run_id, metrics=numbers)

    def tags(self, run_id: str, values: Mapping[str, str]) -> None:
        with self._lock:
            self._replace(run_id, tags={**self._find(run_id).run.tags, **values})

    def artifact_dict(self, run_id: str, path: str, data: Mapping[str, Any]) -> None:
        self._find(run_id).artifacts[check_path(path)] = as_json(data)

    def artifact_dir(self, run_id: str, local: Path, path: str = "") -> None:
        prefix = PurePosixPath(check_path(path) if path else "")
        for file in sorted(Path(local).rglob("*")):
            if file.is_file():
                name = str(prefix / file.relative_to(local).as_posix())
                self._find(run_id).artifacts[name] = file.read_bytes()

    def model(
        self,
        run_id: str,
        directory: Path,
        *,
        example: Mapping[str, Sequence[Any]] | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        self.artifact_dir(run_id, directory, "model/data/net")

    def finish(self, run_id: str, status: Status = "FINISHED") -> None:
        self._replace(run_id, status=status, end=time.time())

    def children(self, run_id: str) -> list[Run]:
        with self._lock:
            self._find(run_id)
            return [r.run for r in self.runs.values() if r.run.parent == run_id]

    def find(self, name: str) -> Run:
        with self._lock:
            runs = [r.run for run_id, r in self.runs.items() if run_id.startswith(name)]
        if len(name) < 4 or len(runs) != 1:
            raise RunNotFoundError(f"{len(runs)} runs have an id that begins with {name!r}.")
        return runs[0]

    def read_dict(self, run_id: str, path: str) -> dict[str, Any]:
        try:
            content = self._find(run_id).artifacts[check_path(path)]
        except KeyError:
            raise ArtifactError(f"Run {run_id} has no file {path!r}.") from None
        return dict(json.loads(content))

    def flush(self) -> None:
        """Nothing waits."""

    def _find(self, run_id: str) -> MemoryRun:
        try:
            return self.runs[run_id]
        except KeyError:
            raise RunNotFoundError(f"There is no run {run_id!r}.") from None

    def _replace(self, run_id: str, **changes: Any) -> None:
        with self._lock:
            recorded = self._find(run_id)
            recorded.run = replace(recorded.run, **changes)


def as_text(params: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as text; lists and mappings as JSON."""
    return {
        name: json.dumps(value) if isinstance(value, list | tuple | dict) else str(value)
        for name, value in params.items()
    }


def as_json(data: Mapping[str, Any]) -> bytes:
    """Indented JSON; paths, numpy's numbers and the like become text or plain values."""
    return json.dumps(data, indent=2, default=_plain).encode()


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def check_path(path: str) -> str:
    """A path in the run's folder, normalised.

    Raises:
        TrackingError: the path is absolute, empty, or leads out of the folder.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise TrackingError(
            f"An artifact's path must be relative and stay in the run's folder, got {path!r}."
        )
    return str(PurePosixPath(*parts))
