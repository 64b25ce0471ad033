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
    """The tasks of the runs, each once; of a run of another program: none."""
    losses = {(run.params.get("net.kind", ""), run.params.get("training.loss", "")) for run in runs}
    tasks = {Task.by_loss(kind, loss) for kind, loss in losses if kind}
    return [task for task in Task if task in tasks]


def _metrics(task: Task) -> tuple[str, ...]:
    measured = [f"test/{name}" for name in task.metrics]
    return (f"best/{task.monitor}", *(measured or ["test/loss"]))


def _varying(runs: Sequence[store.Run]) -> list[str]:
    """Parameters in which the runs differ, those of the training first."""
    names = sorted({name for run in runs for name in run.params})
    differing = [n for n in names if len({run.params.get(n) for run in runs}) > 1]
    return sorted(differing, key=lambda name: not name.startswith("training."))
