"""A person's own parts: refused before anything starts, and their code as files of a run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import nets
from nets import ConfigError, Custom, Task
from nets.callbacks import Callbacks
from nets.code import FOLDER
from nets.custom import custom_parts, trust
from nets.custom_loss import CustomLoss, try_loss
from nets.custom_metric import try_metric
from nets.custom_net import check_preparation
from nets.optimizer_trial import try_optimizer
from workbench.data import sources
from workbench.data.size import Size
from workbench.data.sources.custom import check_load
from workbench.data.sources.dataframe import DataFrameSource, find_frame
from workbench.errors import DataError
from workbench.experiments.experiment import Experiment

if TYPE_CHECKING:  # importing it loads MLflow, a second that workers need not spend
    from tracking import Reader

SUMS = f"{FOLDER}/sha256.json"
"""Path of each file of own code to its SHA-256."""


def check_own_parts(experiment: Experiment, *, reads_source: bool) -> None:
    """Refuse own parts that are not loaded, a loss that fits no task, and a net that does not fit the
    rows, where these are known; a DataFrame that this process does not hold.

    Raises:
        UntrustedCodeError: the code of a part is not loaded in this process.
        ConfigError: a signature, the shape of the output or of the losses, or a missing gradient; a
            DataFrame without a label, for a net that learns one.
        DataError: the DataFrame is not here, or lacks a column.
    """
    for each in custom_parts(experiment):
        assert each.part is not None
    collect_files(custom_parts(experiment))
    size = _size(experiment) if reads_source and custom_parts(experiment) else None
    if isinstance(experiment.training.loss, Custom):
        _check_loss(experiment.training.loss, experiment, size)
    for metric in experiment.training.metrics:
        _check_metric(metric, experiment, size)
    if isinstance(experiment.data.source, Custom) and reads_source:
        check_load(experiment.data.source)
    if isinstance(experiment.data.source, DataFrameSource) and reads_source:
        _check_frame(experiment.data.source, experiment)
    if isinstance(experiment.training.optimizer, Custom):
        try_optimizer(experiment.training)
    Callbacks(experiment.training.callbacks)
    if isinstance(experiment.net, Custom):
        check_preparation(experiment.net, experiment.preparation.method)
    if isinstance(experiment.net, Custom) and size is not None and size.spec is not None:
        nets.build(experiment.net, size.spec, size.num_outputs)


def _check_frame(source: DataFrameSource, experiment: Experiment) -> None:
    columns = find_frame(source).columns
    task = Task.by_loss(experiment.net, experiment.training.loss)
    if source.label is None and task is not Task.RECONSTRUCTION:
        raise ConfigError(
            "data.source.label must name the DataFrame's column to predict, got None, and this net learns "
            f"{task or 'a label'}. It has {', '.join(columns)}: DataFrameSource(df, label=...)."
        )


def _size(experiment: Experiment) -> Size | None:
    try:
        return sources.size(experiment.data.source)
    except DataError:
        return None  # the reader says so, on the machine that has the files


def _check_loss(loss: Custom, experiment: Experiment, size: Size | None) -> None:
    """Refuse an own loss that fits neither classes nor values; which of them, only the data shows."""
    if Task.by_loss(experiment.net, loss) is Task.RECONSTRUCTION:
        CustomLoss(loss)  # tried when the sample's shape is known
        return
    problems: list[str] = []
    for task in (Task.CLASSES, Task.VALUES):
        try:
            try_loss(loss, task, (2 if size is None else size.num_outputs,), guessed=True)
        except ConfigError as error:
            problems += [str(error)] if str(error) not in problems else []
        else:
            return
    raise ConfigError("\n".join(problems))


def _check_metric(metric: Custom, experiment: Experiment, size: Size | None) -> None:
    """Refuse an own metric that gives no number, as far as it is known what is learned."""
    task = Task.by_loss(experiment.net, experiment.training.loss)
    try_metric(metric, task or Task.CLASSES, 2 if size is None else size.num_outputs, guessed=True)


def collect_files(parts: Iterable[Custom]) -> dict[str, bytes]:
    """The files of all parts, by path.

    Raises:
        ConfigError: two different files have the same path.
    """
    files: dict[str, bytes] = {}
    for each in parts:
        code = each.own_code
        for path, content in ({} if code is None else code.files).items():
            if files.setdefault(path, content) != content:
                raise ConfigError(
                    f"Two different files of own parts are called {path}. Rename one, or put both "
                    "into one folder."
                )
    return files


def load_own_parts(
    reader: Reader, run_id: str, experiment: Experiment, *, trust_code: bool
) -> None:
    """Load the own parts of a run's experiment from the code that the run keeps.

    Raises:
        UntrustedCodeError: nobody has allowed this code; the files are named.
        ModelFileError: files are missing, or are not those of the record.
        ConfigError: the code cannot be imported here.
    """
    parts = custom_parts(experiment)
    if not parts:
        return
    where = f"the artifacts of run {run_id[:8]} ({FOLDER}/, which `workbench mlflow` shows)"
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(reader.artifacts(run_id, FOLDER)):
            file = reader.download(run_id, name, Path(folder) / str(number))
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, Path(folder) / name)
        for each in parts:
            trust(each, Path(folder) / FOLDER, allowed=trust_code, where=where)


def files_of_run(experiment: Experiment) -> dict[str, bytes]:
    """What a run keeps of own code: path to content; {} where there is none."""
    files = collect_files(custom_parts(experiment))
    if not files:
        return {}
    sums = {
        path: digest for each in custom_parts(experiment) for path, digest in each.sha256.items()
    }
    kept = {f"{FOLDER}/{path}": content for path, content in files.items()}
    return kept | {SUMS: json.dumps(sums, indent=1).encode()}
