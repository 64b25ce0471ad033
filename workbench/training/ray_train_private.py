"""Every use of what Ray Train keeps to itself.

All were seen in ray 2.60.0; `tests/workbench/training/test_ray_train_private.py` fails when a later
version lacks one. The rest of Ray's is in `workbench.ray_private`, which loads no Ray Train.
"""

from __future__ import annotations

from typing import Any

import ray
import ray.train
from ray.exceptions import RayActorError
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.callback import WorkerGroupCallback

from workbench import ray_private


class Trainer(TorchTrainer):
    """TorchTrainer without two helper processes, each of which loads Ray Train for two seconds.

    Overrides `_create_default_callbacks`: there is no setting that leaves them out. The figures are
    in docs/PERFORMANCE.md.
    """

    def fit(self) -> ray.train.Result:
        """Train; the workers' resources are free again even if the controller dies.

        Raises:
            RayActorError: the controller died. Another `fit` of the same name continues after its last
                checkpoint.
        """
        self._recorder = _GroupRecorder(f"{_group_prefix()}{self.run_config.name}")
        try:
            return super().fit()
        except RayActorError:
            _free_group(self._recorder.key)
            raise

    def _create_default_callbacks(self) -> list[Any]:
        # The cleaner removes the workers' placement group if the controller dies. It asks Ray's
        # dashboard whether it has died. Without a dashboard it gets no answer, and each training
        # waits twelve seconds for it at its end.
        unneeded: tuple[type, ...] = (PlacementGroupCleanerCallback,)
        if not self.datasets:
            unneeded += (DatasetsCallback,)  # its process would have no dataset to split
        callbacks = super()._create_default_callbacks()
        return [*(one for one in callbacks if not isinstance(one, unneeded)), self._recorder]


class _GroupRecorder(WorkerGroupCallback):
    """Writes down the workers' placement group, which outlives its controller."""

    def __init__(self, key: str) -> None:
        self.key = key

    def after_worker_group_start(self, worker_group: Any) -> None:
        group = worker_group.get_worker_group_state().placement_group_handle.placement_group
        ray_private.store_value(self.key, group.id.binary())

    def after_worker_group_shutdown(self, worker_group_context: Any) -> None:
        ray_private.delete_value(self.key)

    after_worker_group_abort = after_worker_group_shutdown


def free_groups() -> None:
    """Free what trainings held whose process died. Not while one runs in the same program."""
    for key in ray_private.list_keys(_group_prefix()):
        _free_group(key)


def _group_prefix() -> str:
    """What the keys of this program's trainings begin with."""
    return f"workbench.group.{ray.get_runtime_context().get_job_id()}."


def _free_group(key: str | bytes) -> None:
    if group_id := ray_private.get_value(key):
        ray.util.remove_placement_group(ray_private.get_placement_group(group_id))
        ray_private.delete_value(key)
