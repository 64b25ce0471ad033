"""The process that jobs run in, one after another: the driver of trainings and sweeps."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console

from nets.config import from_dict, to_dict
from nets.custom import send_parts
from tracking import TrackingError
from workbench.cluster import (
    START_SETTINGS,
    ClusterConfig,
    Session,
    find_java,
    route_loggers,
    send_logs_to,
)
from workbench.errors import INTERRUPTED, ClusterError, exit_code
from workbench.jobs.folder import load
from workbench.jobs.reload import LoadedCode
from workbench.jobs.request import Request
from workbench.progress.events import Events, Several
from workbench.progress.terminal import Terminal

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment

CANCEL = "cancel"
"""A file in the job's folder that asks the job to end."""


class JobProgress(Several):
    """Writes progress into a job's folder: as events, and as lines in its log."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "log").open("a", buffering=1)
        self.events = Events(folder / "events.jsonl")
        self._lines = Terminal(Console(file=self._file, width=200, no_color=True))
        super().__init__(self.events, self._lines)

    def __enter__(self) -> Self:
        self._lines.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.__exit__(kind, error, trace)
        if isinstance(error, KeyboardInterrupt):
            self._file.write("Interrupted.\n")
        elif error is not None:
            traceback.print_exception(error, file=self._file)
        self._file.close()

    def announce(self, experiment: Experiment, kind: str) -> None:
        """Announce the experiment that the job runs, and its metric."""
        training, sweep = experiment.training, experiment.sweep
        by_training = (training.monitor, training.mode)
        metric, mode = (sweep.metric, sweep.mode) if kind == "sweep" else by_training
        self._lines.rank_by(metric, mode)
        shown = {"name": experiment.name, "metric": metric, "mode": mode}
        self.events.write("experiment", shown=shown)


@dataclasses.dataclass(frozen=True)
class Asked:
    """Data that a job asks the bench's server for, which has Spark."""

    data: dict[str, Any]
    preparation: dict[str, Any]
    parts: list[dict[str, Any]]
    """Own parts of `data`, by `send_parts`."""
    folder: Path
    """The job's, for its progress."""
    cwd: Path


class Runner:
    """The actor of that process: loads everything once, then runs one job at a time."""

    def __init__(
        self, server: Any, base: str, cluster: dict[str, Any], log: str, since_ns: int
    ) -> None:
        import ray

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Ray starts its processes with SIGINT blocked.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self._server = server
        self._code = LoadedCode(since_ns)
        self._folder = Path(base)
        ray.data.DataContext.get_current().enable_progress_bars = False
        java = find_java()
        java.use()
        self._session = Session(
            config=from_dict(ClusterConfig, cluster),
            get_spark=_refuse_spark,
            ray_address=ray.get_runtime_context().gcs_address,
            java=java,
            log_path=Path(log),
            prepare=self._prepare,
        )

    def ready(self) -> int:
        """Load what jobs need; return this process's id."""
        # Loaded here, so that changed files are noticed: the processes that train run them as well.
        import nets.files  # noqa: F401
        import workbench.sweeps.driver  # noqa: F401
        from tracking import MlflowRecorder
        from workbench.training import one_worker, ray_train_private

        ray_train_private.free_groups()  # of a runner that was killed
        one_worker.start(self._session, self._session.config)
        with suppress(TrackingError):  # the first job reports it
            MlflowRecorder().close()  # closes the runs of a runner that was killed
        return os.getpid()

    def find_changed_files(self) -> list[str]:
        """The program files that changed after this process loaded them."""
        return self._code.find_changed_files()

    def run(self, folder: str) -> dict[str, Any]:
        """Run the job of a folder; return how it ended, see `build_end`."""
        self._folder = Path(folder)
        command = load(self._folder / "command.json")
        request = Request.from_dict(command["request"])
        try:
            with (
                send_logs_to(self._folder / "details.log"),
                _client_environment(command["cwd"], request.tracking_uri),
                JobProgress(self._folder) as progress,
                _interruptible(),
            ):
                if (self._folder / CANCEL).exists():
                    raise KeyboardInterrupt
                route_loggers()
                return self._execute(request, progress)
        except KeyboardInterrupt:
            return build_end("stopped", INTERRUPTED)
        except Exception as error:
            message = str(error) or type(error).__name__
            if exit_code(error) == 1:
                message = f"{type(error).__name__}: {message}"
            return build_end("failed", exit_code(error), error=message)
        finally:
            self._tidy()

    def _execute(self, request: Request, progress: JobProgress) -> dict[str, Any]:
        from tracking import MlflowRecorder
        from workbench.sweeps.driver import sweep
        from workbench.training import provenance, train

        provenance.forget()
        experiment = self._use_bench_cluster(request.load(), request.changes)
        if request.kind == "describe":
            return build_end("finished", 0, result=self._describe(experiment, request))
        progress.announce(experiment, request.kind)
        result: Any
        with closing(MlflowRecorder()) as recorder:
            shared: Any = {"session": self._session, "recorder": recorder, "progress": progress}
            if request.kind == "train":
                result = train(experiment, **shared)
            else:
                result = sweep(experiment, **shared, resume=request.resume)
        stopped = getattr(result, "interrupted", False)
        state, code = ("stopped", INTERRUPTED) if stopped else ("finished", 0)
        return build_end(state, code, result=dataclasses.asdict(result))

    def _use_bench_cluster(self, experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
        """The experiment with this bench's cluster in place of settings that it leaves open.

        Raises:
            ClusterError: it needs another cluster, which is fixed when a bench starts.
        """
        own, bench = to_dict(experiment.cluster), to_dict(self._session.config)
        default, replaced = to_dict(ClusterConfig()), {}
        for name in (*START_SETTINGS, "storage"):
            path = f"cluster.{name}"
            named = any(f"{change}.".startswith(f"{path}.") for change in changes)
            if own[name] == bench[name]:
                continue
            if not named and own[name] == default[name]:
                replaced[name] = bench[name]
            elif name != "storage":
                raise ClusterError(
                    f"The experiment has {path}={own[name]}, and the bench was started with "
                    f"{bench[name]}. --own starts Ray and Spark for this command alone; "
                    f"`workbench down` and `workbench up --set {path}={own[name]}` restart the bench."
                )
        cluster = from_dict(ClusterConfig, own | replaced)
        return dataclasses.replace(experiment, cluster=cluster)

    def _prepare(self, data: Any, preparation: Any, storage: str | None) -> Any:
        method = self._server.prepare
        return self._ask_server(method, data, preparation, storage)

    def _describe(self, experiment: Experiment, request: Request) -> dict[str, Any]:
        method = self._server.describe_data
        name = request.experiment if request.tree is None else None
        described = self._ask_server(
            method, experiment.data, experiment.preparation, name, request.samples
        )
        return dict(described)

    def _ask_server(self, method: Any, data: Any, preparation: Any, *more: Any) -> Any:
        """What needs Spark is done in the server's process."""
        import ray

        asked = Asked(
            to_dict(data), to_dict(preparation), send_parts(data), self._folder, Path.cwd()
        )
        try:
            return ray.get(method.remote(asked, *more))
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None

    def _tidy(self) -> None:
        """Free what the job held, and keep a process ready to train the next one."""
        from workbench.training import one_worker

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.collect()
        one_worker.start(self._session, self._session.config)


def build_end(
    state: str,
    exit_code: int,
    *,
    error: str | None = None,
    result: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """How a job ended, as JSON types; `state` is finished, failed or stopped."""
    return {"state": state, "exit_code": exit_code, "error": error, "result": result}


def _refuse_spark() -> Any:
    raise AssertionError("Spark is in the server's process and not available here")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C, which the server sends, interrupt the block as it does a command."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once; after that the server kills
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _client_environment(cwd: str, tracking_uri: str | None) -> Iterator[None]:
    """Work in the client's folder, with its tracking store."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.chdir(cwd)
    _set_uri(tracking_uri)
    try:
        yield
    finally:
        _set_uri(before)


def _set_uri(uri: str | None) -> None:
    if uri is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = uri
