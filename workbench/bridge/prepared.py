"""Data that is ready to train on, in the prepared store."""

from __future__ import annotations

import os
import tempfile
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
from nets.order import LabelsOfShard, Order, Shards, draw_order
from nets.spec import TensorSpec
from nets.start import Weights
from nets.statistics import Statistics
from nets.text import TextEncoding
from nets.training import TrainingConfig
from workbench import html
from workbench.bridge import kept, shared
from workbench.bridge.arrays import Arrays
from workbench.bridge.cache import SharedOrigin
from workbench.bridge.fetch import Origin, fetch
from workbench.bridge.open_shards import OpenShards
from workbench.bridge.shards import SharedDescription, StoredShards
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
    stored: StoredSplit | StoredShards
    origin: Origin | SharedOrigin
    """The store that the split is part of."""

    @property
    def num_bytes(self) -> int:
        """Bytes of the samples."""
        return self.num_rows * self.spec.num_bytes

    @property
    def shards(self) -> Shards | None:
        """Where the rows can only be reached a shard at a time."""
        if not isinstance(self.stored, StoredShards):
            return None
        each = self.stored.shards
        counts = tuple(shard.class_counts for shard in each if shard.class_counts is not None)
        return Shards(
            tuple(shard.rows for shard in each),
            self.stored.window,
            counts if len(counts) == len(each) else None,
        )

    def open(self) -> OpenRows:
        """The rows, mapped; on a machine that does not have them, they are fetched before, or as they
        are needed."""
        if isinstance(self.stored, StoredShards):
            assert isinstance(self.origin, SharedOrigin)
            return OpenShards(self.origin, self.stored, self.spec)
        assert isinstance(self.origin, Origin)
        return OpenSplit(fetch(self.origin), self)

    def read(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Rows in their order, keys included, as arrays; copies where the files are in another order."""
        with self.open() as rows:
            arrays = rows.read(start, stop)
            arrays["key"] = rows.keys(np.arange(*slice(start, stop).indices(self.num_rows)))
        return arrays

    def draw_orders(self, training: TrainingConfig, passes: int) -> list[Order]:
        """The orders in which a training takes the rows in its first passes."""
        labels = None
        if training.resample != "none":
            with self.open() as rows:
                labels = labels_for_order(rows)
        return [
            draw_order(
                self.num_rows,
                seed=training.seed,
                epoch=epoch,
                shards=self.shards,
                resample=training.resample,
                labels=labels,
            )
            for epoch in range(passes)
        ]

    def labels(self) -> Tensor:
        """(n,) int64, or float, (n,) or (n, outputs), in the order of the rows."""
        with self.open() as rows:
            return torch.from_numpy(rows.labels())


class OpenSplit:
    """The rows of a split, in the order of the files; the store is not removed while it is open.

    Usable after `close` as well: what is mapped stays.
    """

    def __init__(self, store: Path, split: Split) -> None:
        assert isinstance(split.stored, StoredSplit)
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

    def keys(self, rows: np.ndarray) -> np.ndarray:
        """The names of rows, by their numbers (n,)."""
        return read_keys(self.folder)[rows]

    def tensors(self) -> Batch:
        """The whole split, in the order of the files: CPU tensors on the mapped memory, never
        written to."""
        return to_batch({"features": self.samples.values} | self.others)

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


OpenRows = OpenSplit | OpenShards
"""The rows of a split: both have read, take, read_chunks, labels, keys and close."""


def labels_for_order(rows: OpenRows) -> Tensor | LabelsOfShard:
    """The labels as `nets.order.draw_order` takes them to resample."""
    if isinstance(rows, OpenShards):
        return lambda number: torch.from_numpy(rows.labels_of(number).copy())
    return torch.from_numpy(rows.labels())


def to_batch(arrays: Arrays) -> Batch:
    """Tensors on the memory of the arrays, which may be mapped, and are never written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    return Batch(
        tensors["features"], tensors["label"], tensors.get("length"), tensors.get("weight")
    )


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
    start: dict[str, Weights] = field(default_factory=dict)
    """Weights that nets start from, by `training.start_from`; not in the store."""

    def has(self, split: str) -> bool:
        """Whether a split has rows."""
        return split in self.splits and self.splits[split].num_rows > 0

    @property
    def origin(self) -> Origin | SharedOrigin:
        """The store."""
        return next(iter(self.splits.values())).origin

    def __str__(self) -> str:
        facts = "".join(f"\n  {name}: {value}" for name, value in self._facts().items())
        return f"Prepared data {self.fingerprint}{facts}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return html.title(f"Prepared data {self.fingerprint}") + html.pairs(self._facts())

    def _facts(self) -> dict[str, str]:
        """What a person wants to know of it, as text."""
        spec, splits = self.spec, self.splits.items()
        facts = {
            "sample": f"{spec.kind} {spec.shape} {spec.dtype}",
            "rows": ", ".join(f"{name} {split.num_rows:,}" for name, split in splits),
            "bytes": f"{sum(split.num_bytes for split in self.splits.values()):,}",
        }
        return facts if self.labels is None else facts | {"classes": f"{len(self.labels):,}"}

    @property
    def folder(self) -> Path:
        """The store, on the machine that prepared it; of one in `cluster.storage`, what is kept of it
        on this machine."""
        return self.origin.folder

    @property
    def storage(self) -> str | None:
        """`cluster.storage`, where the store lies there."""
        return self.origin.address if isinstance(self.origin, SharedOrigin) else None

    def is_whole(self) -> bool:
        """Whether the store is still there, where it was prepared."""
        if isinstance(self.origin, SharedOrigin):
            return shared.is_whole(self.origin)
        description = read_description(self.folder)
        return description is not None and description.id == self.origin.id

    def use(self) -> bool:
        """Mark the store as used now, whichever version of the program wrote it: program files may
        change while a bench is up, and it goes on with what it has prepared.

        Returns:
            Whether it is still there as it was written.
        """
        if isinstance(self.origin, SharedOrigin):
            return self.is_whole()
        description = read_description(self.folder)
        if description is None or description.id != self.origin.id:
            return False
        return kept.mark_used(self.folder, description)

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


def finish_shared(
    part: shared.SharedPart, prepared: Prepared, splits: dict[str, StoredShards]
) -> Prepared:
    """The same for shards in `cluster.storage`."""
    with tempfile.TemporaryDirectory() as name:
        facts = save_facts(Path(name), prepared) | {"finished": time.time()}
        description = SharedDescription(
            fingerprint=prepared.fingerprint,
            code=kept.code_digest(),
            prepared=facts,
            splits=splits,
            id=part.id,
        )
        part.finish(description, Path(name))
    again = find(prepared.fingerprint, part.address)  # another machine may have been first
    assert again is not None, f"{prepared.fingerprint} was written and is not there"
    return again


def find(fingerprint: str, storage: str | None = None) -> Prepared | None:
    """Data that was prepared before and is still kept, on this machine or in `storage`.

    Raises:
        DataError: `storage` cannot be reached.
    """
    if storage is None:
        local = kept.find(fingerprint)
        return None if local is None else load(*local)
    found = shared.find(storage, fingerprint)
    if found is None:
        return None
    origin, description = found
    with shared.download_figures(origin) as folder:
        return _build(description, origin, folder)


def load(folder: Path, description: Description) -> Prepared:
    """What `save_facts` wrote, with the splits of the store."""
    return _build(description, Origin.here(folder, description.id), folder)


def _build(
    description: Description | SharedDescription, origin: Origin | SharedOrigin, figures: Path
) -> Prepared:
    """
    Args:
        figures: folder with what `save_facts` wrote as files.
    """
    facts = description.prepared
    spec = from_dict(TensorSpec, facts["spec"])
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
        statistics=_load_figures(figures / "statistics.npz"),
        class_counts=None if counts is None else tuple(counts),
        fingerprint=description.fingerprint,
        targets=_load_figures(figures / "targets.npz"),
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
