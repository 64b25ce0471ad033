"""Data that is ready to train on, and its way into tensors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
import torch

from nets.fit import Batch
from nets.spec import TensorSpec
from nets.statistics import Statistics
from nets.text import TextEncoding
from workbench.bridge.arrays import COLUMNS, Arrays, to_arrays
from workbench.data import Forecast


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split, in Ray: as arrays in the object store, or as a Dataset to stream."""

    name: str
    num_rows: int
    spec: TensorSpec
    arrays: ray.ObjectRef[Arrays] | None = None
    dataset: ray.data.Dataset | None = None

    def read(self) -> Arrays:
        """The split's arrays: a read-only map of Ray's object store, without a copy."""
        assert self.arrays is not None, "streamed splits have no arrays"
        return ray.get(self.arrays)

    def tensors(self) -> Batch:
        """The split as one batch of tensors on the CPU, sharing the object store's memory."""
        return to_batch(self.read())


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Data ready to train on; small, and usable from any process of the Ray cluster."""

    splits: dict[str, Split]
    spec: TensorSpec
    labels: tuple[str, ...] | None
    """Class names by index; None for regression."""
    num_outputs: int
    statistics: Statistics | None
    """What the preparation needs, from the training split only."""
    class_counts: tuple[int, ...] | None
    """Training rows of each class; None for regression."""
    fingerprint: str
    """Same fingerprint, same tensors."""
    targets: Statistics | None = None
    """Regression: what the preparation needs of the training split's labels."""
    forecast: Forecast | None = None
    """Forecasts: the channels that are predicted, and how far ahead."""
    text: TextEncoding | None = None
    """Text: how it became token ids."""
    record: dict[str, Any] = field(default_factory=dict)
    """For the run: rows, bytes, bad rows, seconds by stage."""


def stream(
    source: ray.data.Dataset | ray.data.DataIterator,
    spec: TensorSpec,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
) -> Iterator[Batch]:
    """Batches from a Ray Dataset, never whole in memory.

    Args:
        shuffle_seed: shuffle within a window of 16 batches and leave an uneven last batch out, so
            that synchronised workers with equal shards take equally many steps.
    """
    shuffle = shuffle_seed is not None
    for table in source.iter_batches(
        batch_size=batch_size,
        batch_format="pyarrow",
        local_shuffle_buffer_size=16 * batch_size if shuffle else None,
        local_shuffle_seed=shuffle_seed,
        drop_last=shuffle,
    ):
        yield to_batch(to_arrays(table, spec))


def to_batch(arrays: Arrays) -> Batch:
    """Arrays as CPU tensors that share their memory; never written to."""
    with warnings.catch_warnings():
        # Maps of the object store are read-only, and so is our use of them.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensors = {name: torch.from_numpy(arrays[name]) for name in COLUMNS if name in arrays}
    return Batch(**tensors)
