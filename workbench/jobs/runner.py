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
from tracking import TrackingError
from workbench.cluster.config import START_SETTINGS, ClusterConfig
from workbench.cluster.java import find_java
from workbench.cluster.session import Session
from workbench.cluster.terminal_logs import route_loggers, send_logs_to
from workbench.errors import ClusterError, exit_code
from workbench.jobs.folder import load
from workbench.jobs.reload import LoadedCode
from workbench.jobs.request import Request
from workbench.progress.events import Events, Several
from workbench.progress.terminal import Terminal

if TYPE_CHECKING:
    from workbench.experiments.experiment import Experiment

CANCEL = "cancel"
"""A file in the job's folder: it is to end."""


class JobProgress(Several):
    """Progress into a job's folder: as events, and as lines in its log."""

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

    def experiment(self, experiment: Experiment, kind: str) -> None:
        """What the job turned out to be."""
        training, sweep = experiment.training, experiment.sweep
        ranked = (training.monitor, training.mode)
        metric, mode = (sweep.metric, sweep.mode) if kind == "sweep" else ranked
        self._lines.rank_by(metric, mode)
        shown = {"name": experiment.name, "metric": metric, "mode": mode}
        self.events.write("experiment", shown=shown)


class Runner:
    """The actor: loads everything once, then runs one job at a time."""

    def __init__(
        self, resident: Any, base: str, cluster: dict[str, Any], log: str, since_ns: int
    ) -> None:
        import ray

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Ray starts its processes with Ctrl-C held back.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self._resident = resident
        self._code = LoadedCode(since_ns)
        self._folder = Path(base)
        ray.data.DataContext.get_current().enable_progress_bars = False
        java = find_java()
        java.use()
        self._bench = Session(
            config=from_dict(ClusterConfig, cluster),
            spark=_Elsewhere(),
            ray_address=ray.get_runtime_context().gcs_address,
            java=java,
            log_path=Path(log),
            prepare=self._prepare,
        )

    def ready(self) -> int:
        """Load what jobs need; this process's id."""
        # Loaded here, so that changed files are noticed: the processes that train run them as well.
        import nets.files  # noqa: F401
        import workbench.sweeps.driver  # noqa: F401
        from tracking import MlflowRecorder
        from workbench.training import one_worker, ray_train

        ray_train.free_groups()  # of a runner that was killed
        one_worker.start(self._bench, self._bench.config)
        with suppress(TrackingError):  # of no concern before there is a job
            MlflowRecorder().close()  # closes the runs of a runner that was killed
        return os.getpid()

    def changed_files(self) -> list[str]:
        """The program files that changed after this process loaded them."""
        return self._code.changed_files()

    def run(self, folder: str) -> dict[str, Any]:
        """Run a job; how it ended."""
        self._folder = Path(folder)
        asked = load(self._folder / "command.json")
        request = Request.from_dict(asked["request"])
        try:
            with (
                send_logs_to(self._folder / "details.log"),
                _as_asked(asked["cwd"], request.tracking_uri),
                JobProgress(self._folder) as progress,
                _interruptible(),
            ):
                if (self._folder / CANCEL).exists():
                    raise KeyboardInterrupt
                route_loggers()
                return self._do(request, progress)
        except KeyboardInterrupt:
            return {"state": "stopped", "exit_code": 130, "error": None, "result": None}
        except Exception as error:
            message = str(error) or type(error).__name__
            if exit_code(error) == 1:
                message = f"{type(error).__name__}: {message}"
            return {
                "state": "failed",
                "exit_code": exit_code(error),
                "error": message,
                "result": None,
            }
        finally:
            self._tidy()

    def _do(self, request: Request, progress: JobProgress) -> dict[str, Any]:
        from tracking import MlflowRecorder
        from workbench.sweeps.driver import sweep
        from workbench.training import provenance, train

        provenance.forget()
        experiment = self._fitting(request.load(), request.changes)
        progress.experiment(experiment, request.kind)
        result: Any
        with closing(MlflowRecorder()) as recorder:
            shared: Any = {"session": self._bench, "recorder": recorder, "progress": progress}
            if request.kind == "train":
                result = train(experiment, **shared)
            else:
                result = sweep(experiment, **shared, resume=request.resume)
        stopped = getattr(result, "interrupted", False)
        return {
            "state": "stopped" if stopped else "finished",
            "exit_code": 130 if stopped else 0,
            "error": None,
            "result": dataclasses.asdict(result),
        }

    def _fitting(self, experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
        """The experiment on this bench's cluster, where it asks for no other.

        Raises:
            ClusterError: it does, and that was decided when the bench started.
        """
        asked, has = to_dict(experiment.cluster), to_dict(self._bench.config)
        usual, taken = to_dict(ClusterConfig()), {}
        for name in (*START_SETTINGS, "storage"):
            path = f"cluster.{name}"
            named = any(f"{change}.".startswith(f"{path}.") for change in changes)
            if asked[name] == has[name]:
                continue
            if not named and asked[name] == usual[name]:
                taken[name] = has[name]
            elif name != "storage":
                raise ClusterError(
                    f"The experiment asks for {path}={asked[name]}, and the bench that is up was "
                    f"started with {has[name]}. --own starts one for this command; `workbench down` "
                    f"and `workbench up --set {path}={asked[name]}` start the bench anew."
                )
        cluster = from_dict(ClusterConfig, asked | taken)
        return dataclasses.replace(experiment, cluster=cluster)

    def _prepare(self, data: Any, preparation: Any) -> Any:
        import ray

        told = to_dict(data), to_dict(preparation), str(self._folder), os.getcwd()
        try:
            return ray.get(self._resident.prepare.remote(*told))
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None

    def _tidy(self) -> None:
        """Nothing of a job stays, except a process to train the next one in."""
        from workbench.training import one_worker

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.collect()
        one_worker.start(self._bench, self._bench.config)


class _Elsewhere:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"Spark lives in the bench's own process; asked here for {name}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C, which the bench passes on, interrupts the block as it would a command."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # once; after that the bench kills
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _as_asked(cwd: str, tracking_uri: str | None) -> Iterator[None]:
    """The folder and the tracking store of who asked."""
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
