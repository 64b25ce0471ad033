"""Prepared data that was lost with a machine, and its preparation once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray

from workbench import ray_private
from workbench.bridge.prepared import Prepared
from workbench.errors import DataError

_LOST_AFTER_S = 60.0
"""Data that no machine brings within this time is lost."""


class RecoverableData:
    """The data of one training, prepared again when it is lost with the machine that held it.

    Args:
        prepare_again: prepares the same data once more; None: the data came from the calling
            program, and only that program can prepare it.
    """

    def __init__(self, prepared: Prepared, prepare_again: Callable[[], Prepared] | None) -> None:
        self.prepared = prepared
        self._prepare_again = prepare_again

    def restore(self) -> bool:
        """Prepare the data again if it was lost; False where nothing was lost.

        Raises:
            DataError: it was lost, and cannot be prepared again here.
        """
        if is_whole(self.prepared):
            return False
        if self._prepare_again is None:
            raise DataError(
                "The data was lost with the machine that held it. It came from the calling program, "
                "and only that program can prepare it again. Fit or train again."
            )
        self.prepared = self._prepare_again()
        return True


def is_whole(prepared: Prepared) -> bool:
    """Whether Ray still has all of the data, in memory or on a disk."""
    if all(node["Alive"] for node in ray.nodes()):
        return True
    refs: list[Any] = []
    for split in prepared.splits.values():
        refs += [split.arrays] if split.arrays is not None else []
        refs += ray_private.list_block_refs(split.dataset) if split.dataset is not None else []
    # Ray runs a task where its argument is; the task fails if the argument is nowhere.
    touch = ray.remote(_touch).options(num_cpus=0)
    try:
        ray.get([touch.remote(ref) for ref in refs], timeout=_LOST_AFTER_S)
    except ray.exceptions.RayError:
        return False
    return True


def _touch(value: object) -> None:
    """A task that needs its argument."""
