"""Which columns the table of runs has: those chosen, else those that suit the runs it shows."""

from __future__ import annotations

from collections.abc import Sequence

from nets.task import Task
from workbench.ui import store

_SETTINGS = (
    "net.kind",
    "net.activation",
    "training.learning_rate",
    "training.batch_size",
    "training.optimizer",
)
_LOSSES = ("train/loss", "validation/loss", "test/loss")
_MOST_VARYING = 4
FIXED = ("status", "result", "kind", "experiment", "started", "took", "curve", "note")
"""Columns of every run; they can be hidden, the name cannot."""


def find_columns(runs: Sequence[store.Run]) -> list[str]:
    """Metrics of the tasks of these runs and the settings in which they differ, without empty ones."""
    metrics = [name for task in _tasks(runs) for name in _metrics(task)]
    varying = [name for name in _varying(runs) if name not in _SETTINGS]
    wanted = dict.fromkeys((*metrics, *_SETTINGS, *varying[:_MOST_VARYING]))
    return [name for name in wanted if any(run.value(name) is not None for run in runs)]


def _tasks(runs: Sequence[store.Run]) -> list[Task]:
    """The tasks whose figures the runs have, each once; of a run of another program: none."""
    tasks = {_task(run) for run in runs}
    return [task for task in Task if task in tasks]


def _task(run: store.Run) -> Task | None:
    """A net that reconstructs has no other figure than its loss."""
    measured = {name.rpartition("/")[2] for name in run.metrics}
    other = Task.RECONSTRUCTION if any(name in run.metrics for name in _LOSSES) else None
    return next((task for task in Task if measured & {*task.metrics}), other)


def _metrics(task: Task) -> tuple[str, ...]:
    measured = [f"test/{name}" for name in task.metrics]
    return (f"best/{task.monitor}", *(measured or ["test/loss"]))


def _varying(runs: Sequence[store.Run]) -> list[str]:
    """Parameters in which the runs differ, those of the training first."""
    names = sorted({name for run in runs for name in run.params})
    differing = [n for n in names if len({run.params.get(n) for run in runs}) > 1]
    return sorted(differing, key=lambda name: not name.startswith("training."))
