"""`workbench.open()`: one session for all cells of a notebook, or all steps of a program."""

from __future__ import annotations

import atexit
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from workbench.errors import ClusterError, WorkbenchError
from workbench.notebook.cell import Cell, in_notebook
from workbench.notebook.columns import Columns
from workbench.notebook.relay import Relay
from workbench.progress import Progress, Silent, Terminal
from workbench.spark_session import is_connect

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from tracking import Reader
    from workbench.bridge import Prepared
    from workbench.cluster import ClusterConfig, Session
    from workbench.experiments.experiment import Experiment
    from workbench.jobs import End
    from workbench.jobs.request import Kind
    from workbench.notebook.recorded import Run, Runs
    from workbench.notebook.results import Sweep, Training
    from workbench.preflight import Description


def open(
    *, spark: SparkSession | None = None, own: bool = False, show: bool | None = None
) -> Workbench:
    """A workbench that keeps its session open between calls. Nothing starts before it is needed.

    Args:
        spark: a Spark session that runs already, classic or of Spark Connect. It is used for the
            data and left as it was; no second Spark is started. Spark Connect gives DataFrames only.
        own: start an own Ray and Spark even while a bench is up (`workbench up`).
        show: whether progress is shown; None: in a notebook's cell, or in a terminal.
    """
    return Workbench(spark=spark, own=own, show=show)


class Workbench:
    """Trains, sweeps and finds runs. `close` stops what was started; so does the end of the program."""

    def __init__(
        self, *, spark: SparkSession | None = None, own: bool = False, show: bool | None = None
    ) -> None:
        self._spark, self._own, self._show = spark, own, show
        self._relay = Relay()
        self._stack = ExitStack()
        self._session: Session | None = None
        """Started here."""
        self._joined: Session | None = None
        """Around a Spark session that was given."""
        self._log_warning: Any = None
        """The open session's `warnings.showwarning`."""
        self._config: ClusterConfig | None = None
        atexit.register(self.close)

    def train(
        self,
        experiment: Experiment | str | Path | DataFrame,
        settings: Mapping[str, Any] | None = None,
        *,
        data: DataFrame | None = None,
        label: str | None = None,
        features: str | Sequence[str] | None = None,
        shape: Sequence[int] | None = None,
    ) -> Training:
        """Train once and record the run.

        Args:
            experiment: an `Experiment`; the name of one that ships, or a file's (`mine.py:wide`); a
                path of data, or a Spark DataFrame, which are trained by the recipe for their kind.
            settings: other values by path, `{"training.epochs": 5}`.
            data: a Spark DataFrame to train `experiment` on, in place of its source.
            label: the DataFrame's column to predict.
            features: its columns to predict from; None: all others.
            shape: of a sample, where a column has flat arrays or raw pixels: `[1, 8, 8]`.

        Raises:
            ConfigError, DataError, ClusterError, TrainingError: as `workbench.train`.
            Interrupted: the person stopped it. The session stays open.
        """
        with self._working() as progress:
            from workbench.notebook.results import Training

            columns = Columns(label=label, features=features, shape=shape)
            chosen, prepared = self._choose(experiment, data, columns, settings, progress)
            progress.rank_by(chosen.training.monitor, chosen.training.mode)
            if end := self._run_on_bench("train", chosen, progress):
                from workbench.results import TrainResult

                return Training.of(TrainResult(**end.result or {}), self.reader)
            from workbench.training import train

            session = self._open(chosen, progress)
            result = train(chosen, session=session, progress=progress, prepared=prepared)
            return Training.of(result, self.reader)

    def sweep(
        self,
        experiment: Experiment | str | Path | DataFrame,
        settings: Mapping[str, Any] | None = None,
        *,
        space: Mapping[str, Any] | None = None,
        trials: int | None = None,
        data: DataFrame | None = None,
        label: str | None = None,
        features: str | Sequence[str] | None = None,
        shape: Sequence[int] | None = None,
    ) -> Sweep:
        """Search for an experiment's best settings; each trial is a run.

        Args:
            experiment: as `train` takes it; so are data, label, features and shape.
            settings: other values by path.
            space: what is searched, in place of `sweep.space`: a list of values, or `Uniform` and
                `Choice` of `workbench.experiments.space`.
            trials: how many; None: `sweep.num_trials`.

        Raises:
            ConfigError, DataError, ClusterError, TrainingError: as `workbench.sweep`.
            Interrupted: the person stopped it before a trial had a result.
        """
        with self._working() as progress:
            from workbench.notebook.results import Sweep
            from workbench.notebook.spaces import logarithmic, read_space
            from workbench.results import SweepResult

            changes = dict(settings or {})
            if space is not None:
                changes["sweep.space"] = read_space(space)
            if trials is not None:
                changes["sweep.num_trials"] = trials
            columns = Columns(label=label, features=features, shape=shape)
            chosen, _ = self._choose(experiment, data, columns, changes, progress)
            progress.rank_by(chosen.sweep.metric, chosen.sweep.mode)
            if end := self._run_on_bench("sweep", chosen, progress):
                result = SweepResult.from_dict(end.result or {})
            else:
                from workbench.sweeps import sweep

                result = sweep(chosen, session=self._open(chosen, progress), progress=progress)
        values = {each.name: getattr(result, each.name) for each in fields(SweepResult)}
        return Sweep(
            **values,
            metric=chosen.sweep.metric,
            logs=logarithmic(chosen.sweep.space),
            reader=self.reader,
        )

    def runs(
        self,
        text: str = "",
        *,
        kinds: Sequence[Literal["train", "sweep", "trial"]] = ("train", "sweep"),
        limit: int = 50,
    ) -> Runs:
        """The newest runs that a filter finds: words, and conditions such as `test/accuracy > 0.9`."""
        reader = self.reader
        from workbench.notebook.recorded import Runs

        found = reader.runs(text=text, kinds=kinds, limit=limit)
        return Runs(found, reader, tuple(kinds), limit)

    def run(self, name: str = "latest") -> Run:
        """A run by its id, by the first letters of it (4 or more), or the latest one.

        Raises:
            RunNotFoundError: no run, or several runs, match.
        """
        reader = self.reader
        from workbench.notebook.recorded import Run

        return Run(reader.run(name), reader)

    def describe(self, what: Experiment | str | Path) -> Description:
        """Read the data of an experiment, or at a path, once: rows, classes, what cannot be used.

        Raises:
            DataError: the data cannot be read at all.
        """
        with self._working() as progress:
            from workbench.notebook.asked import find_experiment

            return self._describe(find_experiment(what), progress)

    def prepare(
        self, experiment: Experiment | str, settings: Mapping[str, Any] | None = None
    ) -> Prepared:
        """Prepare an experiment's data, or find it prepared; a training of it starts at once then.

        Raises:
            DataError: the data cannot be read, or not be trained on.
        """
        with self._working() as progress:
            from workbench.training.preparing import prepare_experiment

            chosen, _ = self._choose(experiment, None, Columns(), settings, progress)
            return prepare_experiment(chosen, self._open(chosen, progress), progress)

    @property
    def spark(self) -> SparkSession:
        """The Spark session; started where none was given and none runs yet."""
        if self._spark is not None:
            return self._spark
        with self._working() as progress:
            return self._open(None, progress).spark

    @property
    def reader(self) -> Reader:
        """The store of runs: that of MLFLOW_TRACKING_URI, else the one below WORKBENCH_HOME."""
        with self._hush():
            from tracking import Reader

            return Reader()

    def close(self) -> None:
        """Stop the Ray and the Spark that were started here. A Spark session that was given stays."""
        joined, self._joined = self._joined, None
        self._session = self._config = None
        self._stack.close()
        if joined is not None:
            from workbench.cluster import leave_session

            leave_session(joined)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._spark is not None:
            if is_connect(self._spark):
                return "Workbench on a Spark Connect session"
            return f"Workbench on the Spark session {self._spark.sparkContext.appName!r}"
        return f"Workbench, {'open' if self._session is not None else 'nothing started yet'}"

    # ---- one call

    @contextmanager
    def _working(self) -> Iterator[Relay]:
        """Progress is shown; an interrupt leaves the session usable."""
        with self._hush(), self._display() as display:
            self._relay.to = display
            try:
                yield self._relay
            except KeyboardInterrupt:
                for session in (self._session, self._joined):
                    if session is not None:
                        with suppress(ClusterError):
                            session.end_idle_workers()
                from workbench.notebook.results import Interrupted

                raise Interrupted(
                    "stopped. What was recorded is kept, and the session stays open."
                ) from None
            finally:
                self._relay.to = Silent()

    @contextmanager
    def _hush(self) -> Iterator[None]:
        """What libraries say of a notebook's widgets is left out: nothing here uses them.

        An open session sends Python's warnings to its log. Between calls, the person's own are shown.
        """
        logger = logging.getLogger("ray.widgets")
        level = logger.level
        logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="IProgress not found")
            if self._log_warning is not None:
                warnings.showwarning = self._log_warning
            try:
                yield
            finally:
                logger.setLevel(level)
                self._log_warning = None if self._session is None else warnings.showwarning

    def _display(self) -> Any:
        from rich.console import Console

        if self._show is False:
            return _Nothing()
        return Cell() if in_notebook() else Terminal(Console(stderr=True, highlight=False))

    def _choose(
        self,
        what: Any,
        data: DataFrame | None,
        columns: Columns,
        settings: Mapping[str, Any] | None,
        progress: Relay,
    ) -> tuple[Experiment, Prepared | None]:
        """The experiment, and its data where this had to be prepared to choose by."""
        progress.stage("Loading the libraries")
        from workbench.experiments import is_data_path
        from workbench.notebook import asked
        from workbench.notebook.on_frame import choose_on_frame

        progress.stage_done()
        frame, base = (what, None) if _is_frame(what) else (data, what)
        if frame is not None:
            return choose_on_frame(frame, columns, base, settings, self._open, progress)
        if columns != Columns():
            raise WorkbenchError(
                "label, features and shape say what the columns of a DataFrame are, and none was "
                "given. Give it as data=, or leave them out."
            )
        chosen = asked.find_experiment(what)
        if is_data_path(what):
            from workbench.preflight import experiment_for

            described = self._describe(chosen, progress)
            chosen = experiment_for(chosen.data, described, name=chosen.name)
        return asked.change(chosen, settings), None

    def _describe(self, experiment: Experiment, progress: Relay) -> Description:
        from workbench.preflight import Description, describe

        if end := self._run_on_bench("describe", experiment, progress):
            description = Description.from_dict(end.result or {})
        else:
            session = self._open(experiment, progress)
            progress.stage("Describing the data")
            spark = _session_of(experiment) or session.spark
            description = describe(
                experiment.data, experiment.preparation, spark, progress=progress
            )
        for sentence in description.decided:
            progress.note(sentence)
        progress.stage_done()
        return description

    def _run_on_bench(self, kind: Kind, experiment: Experiment, progress: Relay) -> End | None:
        """Run it on the bench that is up; None without one, and where a session is to be used."""
        used = self._own or self._spark is not None or self._session is not None
        if used or _session_of(experiment) is not None:
            return None
        from workbench.notebook.on_bench import run_on_bench

        return run_on_bench(kind, experiment, progress)

    def _open(self, experiment: Experiment | None, progress: Progress) -> Session:
        """The session, started or joined where there is none, or none for such an experiment."""
        from workbench.cluster import (
            START_SETTINGS,
            ClusterConfig,
            get_session,
            is_lost,
            open_session,
        )

        config = experiment.cluster if experiment is not None else self._config or ClusterConfig()
        if (spark := _session_of(experiment) or self._spark) is not None:
            self._joined = get_session(spark, config)
            return self._joined
        if self._session is not None and self._config is not None:
            differing = [
                n for n in START_SETTINGS if getattr(config, n) != getattr(self._config, n)
            ]
            lost = is_lost(self._session.ray_address)
            if not differing and not lost:
                return self._session
            why = "Ray is gone" if lost else f"other {', '.join(differing)} of cluster"
            progress.note(f"Ray and Spark are started again: {why}.")
            self._session = None
            self._stack.close()
        self._session = self._stack.enter_context(open_session(config, progress=self._relay))
        self._config = config
        return self._session


class _Nothing(Silent):
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


def _session_of(experiment: Experiment | None) -> SparkSession | None:
    """The Spark session of the DataFrame that an experiment trains on."""
    from workbench.data.sources.dataframe import held_session

    return None if experiment is None else held_session(experiment.data.source)


def _is_frame(what: Any) -> bool:
    return type(what).__module__.startswith("pyspark.sql")
