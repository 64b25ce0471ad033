"""Checkpoints of a running training or sweep, on a disk or in an object store."""

from __future__ import annotations

import contextlib

from workbench.bridge import open_storage
from workbench.experiments.experiment import Experiment
from workbench.home import checkpoints_folder

HISTORY_BYTES = 64 * 2**20
"""The run keeps the weights of every epoch if all of them together take at most this much."""

PART_S = 30.0
"""An epoch that takes longer is saved, and its progress shown, after every so many seconds."""


def checkpoint_folder(experiment: Experiment) -> str:
    """The folder or address that a running training or sweep writes its checkpoints to."""
    return experiment.cluster.storage or str(checkpoints_folder())


def best_weights(storage: str, checkpoint: str) -> bytes:
    """The weights of the best epoch in a checkpoint, which is a path in storage's file system."""
    with open_storage(storage)[0].open_input_file(f"{checkpoint}/best.safetensors") as file:
        return bytes(file.read())


def discard_checkpoint(storage: str, checkpoint: str) -> None:
    """Remove one checkpoint, a path in storage's file system. Errors are ignored."""
    with contextlib.suppress(OSError):
        open_storage(storage)[0].delete_dir(checkpoint)


def discard_checkpoints(storage: str, run_id: str) -> None:
    """Remove the checkpoints of a run that has ended. Errors are ignored."""
    with contextlib.suppress(OSError):
        files, folder = open_storage(storage)
        files.delete_dir(f"{folder}/{run_id}")
