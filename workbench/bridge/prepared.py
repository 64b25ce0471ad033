"""Data that is ready to train on, in the prepared store."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from nets.batches import Batch
from nets.config import from_dict, to_dict
from nets.spec import TensorSpec
from nets.statistics import Statistics
from nets.text import TextEncoding
from workbench.bridge import kept
from workbench.bridge.arrays import Arrays
from workbench.bridge.fetch import Origin, fetch
from workbench.bridge.store import (
    Description,
    MappedFile,
    StoredSplit,
    open_columns,
    read_description,
    read_keys,
    write_description,
)
from workbench.data import Forecast

if TYPE_CHECKING:
    import ray.data


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split: where its rows are. Small, and usable from any process of the Ray cluster."""

    name: str
    num_rows: int
    spec: TensorSpec
    stored: StoredSplit
    origin: Origin
    """The store that the split is part of."""

    @property
    def num_bytes(self) -> int:
        """Bytes of the samples."""
        return self.num_rows * self.spec.num_bytes

    def open(self) -> OpenSplit:
        """The rows, mapped; on a machine that does not have them, after they were fetched."""
        folder = fetch(self.origin)
        return OpenSplit(folder, self)

    def read(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Rows in their order, keys included, as arrays; copies where the files are in another order."""
        with self.open() as rows:
            arrays = rows.read(start, stop)
        arrays["key"] = read_keys(rows.folder)[start:stop]
        return arrays

    def labels(self) -> Tensor:
        """(n,) int64, or float, (n,) or (n, outputs), in the order of the rows."""
        with self.open() as rows:
            return torch.from_numpy(rows.labels())


class OpenSplit:
    """The rows of a split, in the order of the files; the store is not removed while it is open.

    Usable after `close` as well: what is mapped stays.
    """

    def __init__(self, store: Path, split: Split) -> None:
        self.folder = store / split.name
        self._lock: int | None = kept.lock_for_reading(store)
        self.samples: MappedFile
        self.others: Arrays
        self.samples, self.others, self.index = open_columns(self.folder, split.stored)
        self.num_rows = split.num_rows

    def read(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Rows in their order: views where the files are in that order too."""
        rows: Any = slice(start, stop) if self.index is None else self.index[start:stop]
        columns = {"features": self.samples.values} | self.others
        return {name: values[rows] for name, values in columns.items()}

    def take(self, rows: np.ndarray) -> Arrays:
        """Copies of some rows, by their numbers (n,), in this order."""
        places = rows if self.index is None else self.index[rows]
        columns = {"features": self.samples.values} | self.others
        return {name: values[places] for name, values in columns.items()}

    def read_chunks(self, size: int = 4096) -> Iterator[Arrays]:
        """All rows in their order, `size` at a time."""
        for start in range(0, self.num_rows, size):
            yield self.read(start, start + size)

    def labels(self) -> np.ndarray:
        """The labels in the order of the rows."""
        labels = self.others["label"]
        return labels if self.index is None else labels[self.index]

    def tensors(self) -> Batch:
        """The whole split, in the order of the files: CPU tensors on the mapped memory, never
        written to."""
        columns = {"features": self.samples.values} | self.others
        with warnings.catch_warnings():
            # The files are mapped to be read, and that is all we do.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensors = {name: torch.from_numpy(values) for name, values in columns.items()}
        return Batch(
            tensors["features"], tensors["label"], tensors.get("length"), tensors.get("weight")
        )

    def close(self) -> None:
        """Let the store be removed."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> OpenSplit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


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

    def has(self, split: str) -> bool:
        """Whether a split has rows."""
        return split in self.splits and self.splits[split].num_rows > 0

    @property
    def folder(self) -> Path:
        """The store, on the machine that prepared it."""
        return next(iter(self.splits.values())).origin.folder

    def is_whole(self) -> bool:
        """Whether the store is still there, on the machine that prepared it."""
        description = read_description(self.folder)
        return description is not None and description.id == self._id

    @property
    def _id(self) -> str:
        return next(iter(self.splits.values())).origin.id

    def dataset(self, split: str) -> ray.data.Dataset:
        """The rows of a split as a Ray Dataset; see `workbench.bridge.dataset`."""
        from workbench.bridge.dataset import to_dataset

        return to_dataset(self.splits[split])


def save_facts(folder: Path, prepared: Prepared) -> dict[str, Any]:
    """Everything but the splits: the figures as files, the rest as JSON types."""
    for name in ("statistics", "targets"):
        if (figures := getattr(prepared, name)) is not None:
            arrays = {key: value for key, value in vars(figures).items() if value is not None}
            np.savez(folder / f"{name}.npz", **arrays)
    return {
        "spec": to_dict(prepared.spec),
        "labels": prepared.labels,
        "num_outputs": prepared.num_outputs,
        "class_counts": prepared.class_counts,
        "forecast": None if prepared.forecast is None else to_dict(prepared.forecast),
        "text": None if prepared.text is None else to_dict(prepared.text),
        "record": prepared.record,
    }


def finish_store(part: Path, prepared: Prepared, splits: dict[str, StoredSplit]) -> Prepared:
    """Make a part whose splits are written the store of `prepared`, which has no splits so far."""
    facts = save_facts(part, prepared) | {"finished": time.time()}
    description = Description(
        fingerprint=prepared.fingerprint, code=kept.code_digest(), prepared=facts, splits=splits
    )
    write_description(part, description)
    return load(kept.keep(part, prepared.fingerprint), description)


def find(fingerprint: str) -> Prepared | None:
    """Data that was prepared before and is still kept on this machine."""
    found = kept.find(fingerprint)
    return None if found is None else load(*found)


def load(folder: Path, description: Description) -> Prepared:
    """What `save_facts` wrote, with the splits of the store."""
    facts = description.prepared
    spec = from_dict(TensorSpec, facts["spec"])
    origin = Origin.here(folder, description.id)
    splits = {
        name: Split(name=name, num_rows=stored.rows, spec=spec, stored=stored, origin=origin)
        for name, stored in description.splits.items()
    }
    labels, counts = facts["labels"], facts["class_counts"]
    return Prepared(
        splits=splits,
        spec=spec,
        labels=None if labels is None else tuple(labels),
        num_outputs=facts["num_outputs"],
        statistics=_load_figures(folder / "statistics.npz"),
        class_counts=None if counts is None else tuple(counts),
        fingerprint=description.fingerprint,
        targets=_load_figures(folder / "targets.npz"),
        forecast=None if facts["forecast"] is None else from_dict(Forecast, facts["forecast"]),
        text=None if facts["text"] is None else from_dict(TextEncoding, facts["text"]),
        record=facts["record"],
    )


def _load_figures(path: Path) -> Statistics | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        figures = {name: file[name] for name in file.files}
    return Statistics(**figures | {"count": int(figures["count"])})
